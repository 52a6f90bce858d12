/*
 * What went wrong: one of Google's status codes, and a sentence that each caller on the way up can
 * extend. The function that fails fills it, the caller that handles it reads it; nothing is logged
 * on the way.
 */
#pragma once

#include <stdbool.h>

/* google.rpc.Code. */
enum status {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
};

struct error {
    enum status status;
    char field[256]; /* which part of the input, as a path ("spec.template"); "" if none */
    char text[1024];
};

/* "INVALID_ARGUMENT", and the HTTP status that google.api.HttpRule gives it. */
const char *status_name(enum status status);
int status_http(enum status status);
/* The code of that name. False if there is none. */
bool status_find(const char *name, enum status *out);

/* Fills *err (which may be NULL) and answers false, so that it can be returned. */
bool error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, naming the input field that is at fault. */
bool error_field(struct error *err, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "what: " in front of the sentence. False, to be returned. */
bool error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* INTERNAL, with the text of errno behind the sentence. False. */
bool error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
