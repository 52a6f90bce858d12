/* The system calls that a container may make; all others answer EPERM. */
#pragma once

extern const char *const seccomp_calls[]; /* names; ends with NULL */
