/*
 * Names of services, for instances that ask for them (RFC 1035): bytes in, bytes out. Which
 * services there are is not told: every name that could be a service's has the same answer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { NAMES_MESSAGE_MAX = 512 };

/*
 * The answer to the DNS question QUESTION: services are reached at ADDRESS (in network byte order).
 * Names of services are two labels below DOMAIN (model/service_names.h). Any other name is REFUSED,
 * so that a client asks its next resolver (all known ones do). Returns how many bytes; 0: no
 * answer. BYTES may be more than NAMES_MESSAGE_MAX: the question was cut.
 */
size_t names_answer(const unsigned char *question, size_t bytes, const char *domain,
                    uint32_t address, unsigned char out[NAMES_MESSAGE_MAX]);
