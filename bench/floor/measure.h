/* A clock, and giving up. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

/* Microseconds of the monotonic clock. */
int64_t now_us(void);

/* Prints what failed, with errno, and ends the process. */
_Noreturn void fail(const char *what);

/* A count from the command line: 1 to 1,000,000, or the end of the process. */
unsigned parse_count(const char *text);

#endif
