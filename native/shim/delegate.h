/* Runs another CNI plugin for the agent, in the namespaces of the container runtime. */
#ifndef SHIM_DELEGATE_H
#define SHIM_DELEGATE_H

#include "agent.h"

/*
 * `order` is the payload of a DELEGATE frame, `report` becomes that of the DELEGATED frame. False when the order itself
 * is damaged; a program that cannot be run is an outcome.
 */
bool run_delegate(const struct buffer *order, struct buffer *report, int64_t deadline, struct failure *failure);

#endif
