/* A PostgreSQL server of this test program's own (tests/postgres.sh): one for all of its tests. */
#pragma once

#include <stdarg.h>
#include <stdlib.h>

#include "store/store.h"

static char server_dir[64];
static char server_url[160];

/* Runs a command line that was put together; answers its exit status. */
static inline int __attribute__((format(printf, 1, 2))) server_run(const char *format, ...)
{
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    return system(command);
}

static inline bool server_is_here(void)
{
    return server_run("%s find >/dev/null 2>&1", SERVER_SCRIPT) == 0;
}

/* Runs statements as the database's owner. */
static inline int server_sql(const char *sql)
{
    return server_run("$(%s find)/psql -qAtX -v ON_ERROR_STOP=1 '%s' -c \"%s\"", SERVER_SCRIPT,
                      server_url, sql);
}

static inline int server_make(void **state)
{
    (void)state;
    strcpy(server_dir, "/tmp/homerun-server-XXXXXX");
    assert_non_null(scratch_new(server_dir));
    snprintf(server_url, sizeof(server_url), "postgresql:///postgres?host=%s&user=postgres",
             server_dir);
    return server_run("%s make %s", SERVER_SCRIPT, server_dir);
}

static inline int server_stop(void **state)
{
    (void)state;
    return server_run("%s stop %s immediate", SERVER_SCRIPT, server_dir);
}

/* No record is there. */
static inline void server_empty(void)
{
    assert_int_equal(server_sql("SET client_min_messages = error;"
                                " DROP SCHEMA IF EXISTS homerun CASCADE"),
                     0);
}

/* The record, with a copy and an installation's file below DIR. */
static inline struct store *server_open(const char *dir, const char *copy, const char *installation,
                                        struct error *err)
{
    char copy_path[160], installation_path[160];
    snprintf(copy_path, sizeof(copy_path), "%s/%s", dir, copy);
    snprintf(installation_path, sizeof(installation_path), "%s/%s", dir, installation);
    return store_open_shared(
        &(struct store_shared){
            .url = server_url, .copy = copy_path, .installation = installation_path, .node = copy},
        err);
}
