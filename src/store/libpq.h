/*
 * libpq, loaded when the record is on PostgreSQL and not before: it brings a dozen other libraries
 * with it, which who keeps the record in a file should not carry.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"

/* Each function of it that we use: our name, its name. */
#define LIBPQ_FUNCTIONS(X)                                                                         \
    X(parse, PQconninfoParse)                                                                      \
    X(parse_free, PQconninfoFree)                                                                  \
    X(connect, PQconnectdbParams)                                                                  \
    X(finish, PQfinish)                                                                            \
    X(status, PQstatus)                                                                            \
    X(transaction, PQtransactionStatus)                                                            \
    X(backend_pid, PQbackendPID)                                                                   \
    X(message, PQerrorMessage)                                                                     \
    X(socket, PQsocket)                                                                            \
    X(set_nonblocking, PQsetnonblocking)                                                           \
    X(set_notices, PQsetNoticeReceiver)                                                            \
    X(send, PQsendQueryParams)                                                                     \
    X(flush, PQflush)                                                                              \
    X(consume, PQconsumeInput)                                                                     \
    X(is_busy, PQisBusy)                                                                           \
    X(get_result, PQgetResult)                                                                     \
    X(one_by_one, PQsetSingleRowMode)                                                              \
    X(pipeline_enter, PQenterPipelineMode)                                                         \
    X(pipeline_exit, PQexitPipelineMode)                                                           \
    X(pipeline_sync, PQpipelineSync)                                                               \
    X(notifies, PQnotifies)                                                                        \
    X(free_memory, PQfreemem)                                                                      \
    X(result_status, PQresultStatus)                                                               \
    X(result_message, PQresultErrorMessage)                                                        \
    X(result_field, PQresultErrorField)                                                            \
    X(result_rows, PQntuples)                                                                      \
    X(result_columns, PQnfields)                                                                   \
    X(result_value, PQgetvalue)                                                                    \
    X(result_is_null, PQgetisnull)                                                                 \
    X(result_tag, PQcmdStatus)                                                                     \
    X(result_clear, PQclear)

struct libpq {
#define LIBPQ_MEMBER(name, symbol) __typeof__(symbol) *name;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
};

/* The library, once for the process. NULL and FAILED_PRECONDITION, saying which package has it. */
const struct libpq *libpq_load(struct error *err);
