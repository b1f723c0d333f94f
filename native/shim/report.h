/* CNI errors on standard output, in the form the container runtime knows: 4 spaces, no cniVersion, exit code 1. */
#ifndef SHIM_REPORT_H
#define SHIM_REPORT_H

enum cni_code {
  CNI_BAD_ENVIRONMENT = 4,
  CNI_IO_FAILURE = 5,
  CNI_BAD_CONFIG = 7,
  CNI_TRY_LATER = 11,
  CNI_NOT_AVAILABLE = 50,
  CNI_CONNECTION_TEST = 100
};

/* Prints the error and ends the process with 1. `details` is a format. */
_Noreturn void report_error(enum cni_code code, const char *message, const char *details, ...)
    __attribute__((format(printf, 3, 4)));

#endif
