/* What only a record on PostgreSQL can meet: several nodes, lost connections, other databases. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "server.h"
#include "store/store.h"

/* As postgres_schema.c has it. */
#define LOCK     "7810779105126347"
#define FOUNDING "7810779105126348"

static char dir[64];

static int make(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/homerun-store-XXXXXX");
    assert_non_null(scratch_new(dir));
    server_empty();
    return 0;
}

static struct store *node(const char *name)
{
    struct error err = {0};
    struct store *store = server_open(dir, name, "installation", &err);
    if (store == NULL) {
        fail_msg("%s", err.text);
    }
    return store;
}

static bool put(struct store *store, const char *key, int number, struct error *err)
{
    auto_json *body = json_pack("{s:i}", "n", number);
    auto_json *row = json_pack("{s:s, s:i}", "resource", key, "n", number);
    if (!store_begin(store, err)) {
        return false;
    }
    assert_true(store_put(store, STORE_SERVICE, key, body, NULL, NULL, err));
    assert_true(store_audit(store, row, err));
    return store_commit(store, err);
}

/* -1: absent. */
static int number_of(struct store *store, const char *key)
{
    struct error err;
    struct store_doc doc;
    if (store_get(store, STORE_SERVICE, key, &doc, &err) != STORE_FOUND) {
        return -1;
    }
    int number = (int)json_number(doc.body, "n", -2);
    json_decref(doc.body);
    return number;
}

static char told[1024];

static void note(void *ctx, const char *kind, const char *key)
{
    (void)ctx;
    size_t used = strlen(told);
    snprintf(told + used, sizeof(told) - used, "%s:%s ", kind, key);
}

static void follow(struct store *store)
{
    struct error err = {0};
    told[0] = '\0';
    enum store_follow result = store_follow(store, note, NULL, &err);
    if (result == STORE_FOLLOW_CHANGED) {
        assert_true(store_commit(store, &err));
    } else if (result == STORE_FOLLOW_FAILED) {
        fail_msg("%s", err.text);
    }
}

static bool first_row(int64_t number, const json_t *row, void *ctx)
{
    (void)row;
    *(int64_t *)ctx = number;
    return false;
}

static void a_node_that_is_behind_changes_nothing_until_it_has_followed(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a"), *b = node("b");
    assert_true(put(a, "s", 0, &err));
    follow(b);
    assert_string_equal(told, ": "); /* a new copy takes everything */
    assert_true(put(a, "s", 1, &err));
    assert_true(put(a, "gone", 1, &err));
    assert_true(store_begin(a, &err) && store_delete(a, STORE_SERVICE, "gone", &err) &&
                store_commit(a, &err));
    assert_int_equal(number_of(b, "s"), 0);
    assert_false(put(b, "s", 2, &err));
    assert_int_equal(err.status, STATUS_ABORTED);
    assert_non_null(strstr(err.text, "nothing was changed"));
    assert_true(store_must_follow(b));
    assert_false(put(b, "s", 2, &err));
    assert_int_equal(err.status, STATUS_ABORTED);
    follow(b);
    assert_string_equal(told, "service:gone service:s ");
    assert_int_equal(number_of(b, "s"), 1);
    assert_int_equal(number_of(b, "gone"), -1);
    assert_int_equal(store_change_number(a), store_change_number(b));
    assert_true(put(b, "s", 2, &err));
    follow(a);
    assert_string_equal(told, "service:s ");
    assert_int_equal(number_of(a, "s"), 2);
    assert_int_equal(store_change_number(a), store_change_number(b));
    int64_t newest[2] = {0};
    assert_true(store_audit_each(a, "", 1, first_row, &newest[0], &err));
    assert_true(store_audit_each(b, "", 1, first_row, &newest[1], &err));
    assert_int_equal(newest[0], 4);
    assert_int_equal(newest[1], 4);
    store_close(a);
    store_close(b);
}

static void numbers_have_no_gaps_whatever_was_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a"), *b = node("b");
    for (int i = 0; i < 10; i++) {
        put(i % 2 == 0 ? a : b, "s", i, &err);
        put(i % 2 == 0 ? b : a, "s", i, &err);
        follow(a);
        follow(b);
    }
    assert_int_equal(server_sql("DO \\$\\$ BEGIN ASSERT (SELECT count(*) = max(number) AND"
                                " count(*) >= 10 FROM homerun.change); END \\$\\$"),
                     0);
    store_close(a);
    store_close(b);
}

/* Holds the record's lock until a session waits for it; then does SQL, and lets go. */
static void hold_lock_then(const char *sql)
{
    assert_int_equal(
        server_run("{ $(%s find)/psql -qAtX '%s' -c \"BEGIN; SELECT pg_advisory_xact_lock(" LOCK
                   "); DO \\$\\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE"
                   " wait_event = 'advisory') LOOP PERFORM pg_stat_clear_snapshot();"
                   " PERFORM pg_sleep(0.01); END LOOP; END \\$\\$; %s COMMIT\" >/dev/null; } &"
                   " until [ \"$($(%s find)/psql -qAtX '%s' -c \"SELECT count(*) FROM pg_locks"
                   " WHERE locktype = 'advisory'\")\" -ge 1 ]; do sleep 0.05; done",
                   SERVER_SCRIPT, server_url, sql, SERVER_SCRIPT, server_url),
        0);
}

static void a_change_whose_session_is_ended_on_the_way_is_made_once(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    hold_lock_then("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE wait_event = 'advisory';");
    if (!put(a, "s", 2, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(number_of(a, "s"), 2);
    assert_int_equal(server_sql("DO \\$\\$ BEGIN ASSERT (SELECT count(*) = 2 FROM homerun.change);"
                                " ASSERT (SELECT count(*) = 1 FROM homerun.attempt"
                                " WHERE number IS NULL); END \\$\\$"),
                     0);
    store_close(a);
}

static void a_change_that_a_killed_node_left_behind_keeps_its_place(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    int ready[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *b = node("b");
        if (write(ready[1], "", 1) != 1 || read(ready[1], &(char){0}, 1) != 1) {
            _exit(1);
        }
        put(b, "late", 1, &err);
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    hold_lock_then("SELECT pg_sleep(1);");
    assert_int_equal(write(ready[0], "", 1), 1);
    /* Its session waits for the lock, with everything sent. */
    assert_int_equal(server_run("until [ \"$($(%s find)/psql -qAtX '%s' -c \"SELECT count(*) FROM"
                                " pg_locks WHERE locktype = 'advisory'\")\" -ge 2 ];"
                                " do sleep 0.05; done",
                                SERVER_SCRIPT, server_url),
                     0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* Whoever comes first, the other does not. */
    bool ours = put(a, "s", 2, &err);
    if (!ours) {
        assert_int_equal(err.status, STATUS_ABORTED);
        follow(a);
    }
    assert_int_equal(number_of(a, "late"), ours ? -1 : 1);
    assert_int_equal(number_of(a, "s"), ours ? 2 : 1);
    assert_int_equal(
        server_run("until [ \"$($(%s find)/psql -qAtX '%s' -c \"SELECT count(*) FROM pg_locks"
                   " WHERE locktype = 'advisory'\")\" = 0 ]; do sleep 0.05; done",
                   SERVER_SCRIPT, server_url),
        0);
    assert_int_equal(server_sql("DO \\$\\$ BEGIN ASSERT (SELECT count(*) = 2 FROM homerun.change);"
                                " END \\$\\$"),
                     0);
    store_close(a);
}

/* Whether somebody reads by a lock: one of the five for readers (sqlite.org/walformat.html, 2.3.1).
 * Asked by another process, since one does not see its own. */
static bool is_read(const char *copy)
{
    enum { READERS = 123, COUNT = 5 };
    int status;
    pid_t child = fork();
    if (child == 0) {
        char path[160];
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = READERS, .l_len = COUNT};
        snprintf(path, sizeof(path), "%s/%s-shm", dir, copy);
        int fd = open(path, O_RDWR);
        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 ? 2 : lock.l_type != F_UNLCK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void a_copy_is_read_under_one_lock_which_gives_way_to_what_others_change(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a"), *b = node("b");
    assert_true(put(a, "s", 1, &err));
    follow(b);
    assert_int_equal(number_of(a, "s"), 1);
    assert_false(is_read("a")); /* each question had its own */
    store_hold(a);
    assert_int_equal(number_of(a, "s"), 1);
    assert_true(is_read("a"));
    assert_true(put(b, "s", 2, &err));
    follow(a);
    assert_int_equal(number_of(a, "s"), 2);
    assert_true(put(a, "s", 3, &err));
    assert_false(is_read("a"));
    assert_int_equal(number_of(a, "s"), 3);
    assert_true(is_read("a"));
    store_release(a);
    assert_false(is_read("a"));
    assert_int_equal(number_of(a, "s"), 3);
    store_close(a);
    store_close(b);
}

/*
 * A link that loses what it is told to: a relay in a process of its own, at a socket below DIR.
 * Each COMMIT that passes takes one letter of LOSES: 'b', the link is cut before the server has it;
 * 'a', after the server has answered, and before the client knows; '-', it passes. "": all pass.
 */
static char *loses;
static pid_t relay;
static bool pools; /* set before it begins: it tells a process of its own making, as poolers do */

/* The server's word of which process of it serves the session. */
static void hide_process(char *bytes, size_t count)
{
    static const char head[] = {'K', 0, 0, 0, 12};
    char *at = memmem(bytes, count, head, sizeof(head));
    if (pools && at != NULL && at + sizeof(head) < bytes + count) {
        at[sizeof(head)] ^= 0x40;
    }
}

static int unix_socket(const char *folder, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof(out->sun_path), "%s/.s.PGSQL.5432", folder);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

/* One connection, until it ends or is cut. */
static void relay_one(int client, int server)
{
    char bytes[65536];
    bool cut_next = false;
    for (;;) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        poll(fds, 2, -1);
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents == 0) {
                continue;
            }
            ssize_t got = read(fds[i].fd, bytes, sizeof(bytes));
            char lost = '-';
            if (i == 1 && got > 0) {
                hide_process(bytes, (size_t)got);
            }
            if (i == 0 && got > 0 &&
                memmem(bytes, (size_t)got, "\0COMMIT", sizeof("\0COMMIT")) != NULL &&
                loses[0] != '\0') {
                lost = loses[0];
                memmove(loses, loses + 1, strlen(loses));
            }
            if (got <= 0 || lost == 'b' || (i == 1 && cut_next) ||
                write(fds[1 - i].fd, bytes, (size_t)got) != got) {
                return;
            }
            cut_next = cut_next || lost == 'a';
        }
    }
}

static void begin_relay(void)
{
    struct sockaddr_un here, there;
    int listener = unix_socket(dir, &here);
    loses = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(listener, 8), 0);
    relay = fork();
    while (relay == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
        int client = accept(listener, NULL, NULL), server = unix_socket(server_dir, &there);
        if (connect(server, (struct sockaddr *)&there, sizeof(there)) != 0) {
            _exit(1);
        }
        relay_one(client, server);
        close(client);
        close(server);
    }
    close(listener);
}

static void end_relay(void)
{
    kill(relay, SIGKILL);
    waitpid(relay, NULL, 0);
    munmap(loses, 4096);
}

/* NULL: *err. */
static struct store *open_by_relay(const char *name, struct error *err)
{
    char url[160];
    snprintf(url, sizeof(url), "%s", server_url);
    snprintf(server_url, sizeof(server_url), "postgresql:///postgres?host=%s&user=postgres", dir);
    struct store *store = server_open(dir, name, "installation", err);
    snprintf(server_url, sizeof(server_url), "%s", url);
    return store;
}

/* Wherever the link is cut, on the way of a change and of the questions after it. */
static void a_change_is_answered_as_it_ended_however_often_the_link_is_cut(void **state)
{
    (void)state;
    static const char *const losses[] = {"b", "a", "ba", "bb", "aa", "ab", "baa", "bab", "aba"};
    struct error err = {0};
    begin_relay();
    struct store *a = open_by_relay("a", &err);
    assert_non_null(a);
    for (int i = 0; i < (int)(sizeof(losses) / sizeof(losses[0])); i++) {
        char check[256];
        assert_true(put(a, "s", 0, &err));
        strcpy(loses, losses[i]);
        if (!put(a, "s", i + 1, &err)) {
            fail_msg("%s: %s", losses[i], err.text);
        }
        assert_int_equal(loses[0], '\0');
        assert_int_equal(number_of(a, "s"), i + 1);
        snprintf(check, sizeof(check),
                 "DO \\$\\$ BEGIN ASSERT (SELECT body::json->>'n' = '%d' FROM homerun.document"
                 " WHERE key = 's'); ASSERT (SELECT count(*) = max(number) AND count(*) = %d"
                 " FROM homerun.change); END \\$\\$",
                 i + 1, 2 * i + 2);
        if (server_sql(check) != 0) {
            fail_msg("after \"%s\" the server has something else", losses[i]);
        }
    }
    store_close(a);
    end_relay();
}

/* Locks, settings and LISTEN would be those of whoever has the pooler's session at the moment. */
static void a_pooler_between_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    pools = true;
    begin_relay();
    pools = false;
    assert_null(open_by_relay("a", &err));
    end_relay();
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "pooler"));
    assert_non_null(strstr(err.text, "name the server itself"));
}

/* Of the tables, and of the oldest version that can work by them. */
static void raise_numbers(int schema, int readable_from)
{
    char sql[300];
    snprintf(sql, sizeof(sql),
             "UPDATE homerun.meta SET value = value::integer + %d WHERE name = 'schema';"
             "UPDATE homerun.meta SET value = value::integer + %d WHERE name = 'readable_from'",
             schema, readable_from);
    assert_int_equal(server_sql(sql), 0);
}

/* The server is started again while the change waits for it. */
static void a_server_that_is_started_anew_loses_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    assert_int_equal(server_run("%s stop %s && { { sleep 1; %s start %s; } & }", SERVER_SCRIPT,
                                server_dir, SERVER_SCRIPT, server_dir),
                     0);
    int tries = 5; /* a change waits for eight seconds; a slow machine may need more */
    while (!put(a, "s", 2, &err)) {
        if (err.status != STATUS_UNAVAILABLE || --tries == 0) {
            fail_msg("%s", err.text);
        }
    }
    store_close(a);
    a = node("fresh");
    assert_int_equal(number_of(a, "s"), 2);
    store_close(a);
}

static void a_server_that_is_away_is_said_in_words_and_changes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    assert_int_equal(server_run("%s stop %s", SERVER_SCRIPT, server_dir), 0);
    assert_false(put(a, "s", 2, &err));
    assert_int_equal(err.status, STATUS_UNAVAILABLE);
    assert_non_null(strstr(err.text, "nothing was changed"));
    assert_non_null(strstr(err.text, server_dir));
    assert_null(strchr(err.text, '\n'));
    assert_int_equal(number_of(a, "s"), 1);
    assert_null(server_open(dir, "b", "installation", &err));
    assert_int_equal(err.status, STATUS_UNAVAILABLE);
    assert_int_equal(server_run("%s start %s", SERVER_SCRIPT, server_dir), 0);
    assert_true(put(a, "s", 3, &err));
    store_close(a);
}

/* Nodes of a new cluster start at once. */
static void a_schema_that_another_node_makes_meanwhile_is_seen(void **state)
{
    (void)state;
    struct error err = {0};
    hold_lock_then("CREATE SCHEMA homerun; CREATE TABLE homerun.meta (name text, value text);"
                   " INSERT INTO homerun.meta VALUES ('schema', '99');");
    assert_null(server_open(dir, "a", "installation", &err));
    assert_non_null(strstr(err.text, "written by a newer Homerun (schema 99"));
}

static void a_database_takes_one_installation(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    store_close(a);
    assert_null(server_open(dir, "other", "installation-other", &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "another installation"));
    char path[128];
    snprintf(path, sizeof(path), "%s/installation-other", dir);
    assert_int_equal(access(path, F_OK), -1);
    a = node("a");
    store_close(a);
}

/* A later release has made the tables new: by steps that only add, or by others. */
static void newer_tables_are_worked_by_if_they_say_that_ours_can(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    store_close(a);
    raise_numbers(90, 0);
    assert_int_equal(server_sql("ALTER TABLE homerun.document ADD COLUMN more text DEFAULT 'x'"),
                     0);
    a = node("a");
    assert_true(put(a, "s", 2, &err));
    store_close(a);
    a = node("fresh");
    assert_int_equal(number_of(a, "s"), 2);
    store_close(a);
    raise_numbers(0, 90);
    assert_null(server_open(dir, "a", "installation", &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "newer Homerun"));
    /* The releases before this number was written, and one that wrote nonsense. */
    assert_int_equal(server_sql("UPDATE homerun.meta SET value = '?' WHERE name = 'readable_from'"),
                     0);
    assert_null(server_open(dir, "a", "installation", &err));
    assert_int_equal(server_sql("DELETE FROM homerun.meta WHERE name = 'readable_from'"), 0);
    assert_null(server_open(dir, "a", "installation", &err));
    assert_non_null(strstr(err.text, "newer Homerun"));
}

/* Refused before anything is known, or let in by keys that are not opened yet: no file says whose
 * the folder is, so that it can be started elsewhere. */
static void a_folder_is_of_an_installation_once_that_is_settled(void **state)
{
    (void)state;
    struct error err = {0};
    char copy[128], file[128];
    snprintf(copy, sizeof(copy), "%s/joining", dir);
    snprintf(file, sizeof(file), "%s/installation-joining", dir);
    struct store_shared joining = {.url = "postgresql:///postgres?host=/nowhere/at/all",
                                   .copy = copy,
                                   .installation = file,
                                   .node = "joining",
                                   .joins = true};
    store_close(node("a"));
    assert_null(store_open_shared(&joining, &err));
    assert_int_equal(access(file, F_OK), -1);
    joining.url = server_url;
    struct store *store = store_open_shared(&joining, &err);
    assert_non_null(store);
    assert_int_equal(access(file, F_OK), -1);
    store_close(store);
    raise_numbers(90, 90);
    assert_null(store_open_shared(&joining, &err));
    assert_int_equal(access(file, F_OK), -1);
    raise_numbers(-90, -90);
    store = store_open_shared(&joining, &err);
    assert_true(store_settle(store, &err));
    assert_int_equal(server_run("cmp -s %s %s/installation", file, dir), 0);
    assert_true(store_settle(store, &err)); /* nothing more to do */
    store_close(store);
}

/* It is the first one's keys that all have, and its documents that all begin with. */
static void nodes_of_a_new_cluster_wait_for_the_first_one(void **state)
{
    (void)state;
    struct error err = {0};
    char copy[128], file[128];
    snprintf(copy, sizeof(copy), "%s/joining", dir);
    snprintf(file, sizeof(file), "%s/installation-joining", dir);
    struct store_shared joining = {
        .url = server_url, .copy = copy, .installation = file, .node = "joining", .joins = true};
    store_close(node("a"));
    assert_int_equal(server_sql("DELETE FROM homerun.meta WHERE name = 'installation'"), 0);
    /* The first node, until somebody waits for it. */
    assert_int_equal(
        server_run("{ $(%s find)/psql -qAtX '%s' -c 'SELECT pg_advisory_lock(" FOUNDING ")' -c \""
                   "DO \\$\\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid <>"
                   " pg_backend_pid() AND query LIKE '%%try_advisory_lock(" FOUNDING ")') LOOP"
                   " PERFORM pg_stat_clear_snapshot(); PERFORM pg_sleep(0.01); END LOOP;"
                   " INSERT INTO homerun.meta VALUES ('installation', 'the-first-one');"
                   " END \\$\\$\" >/dev/null; } & until [ \"$($(%s find)/psql -qAtX '%s' -c \""
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'\")\" -ge 1 ]; do"
                   " sleep 0.05; done",
                   SERVER_SCRIPT, server_url, SERVER_SCRIPT, server_url),
        0);
    struct store *store = store_open_shared(&joining, &err);
    if (store == NULL) {
        fail_msg("%s", err.text);
    }
    assert_true(store_settle(store, &err));
    assert_int_equal(server_run("grep -qx the-first-one %s", file), 0);
    store_close(store);
    /* Who is the first one itself keeps the others waiting until its start is done. */
    assert_int_equal(server_sql("DELETE FROM homerun.meta WHERE name = 'installation'"), 0);
    assert_int_equal(unlink(file), 0);
    store = store_open_shared(&joining, &err);
    assert_non_null(store);
    static const char is_free[] =
        "DO \\$\\$ BEGIN ASSERT pg_try_advisory_lock(" FOUNDING "); END \\$\\$";
    assert_int_not_equal(server_sql(is_free), 0);
    assert_true(store_settle(store, &err));
    assert_int_equal(server_sql(is_free), 0);
    store_close(store);
}

static struct store *alone(const char *name, struct error *err)
{
    char copy[128], installation[128];
    snprintf(copy, sizeof(copy), "%s/%s", dir, name);
    snprintf(installation, sizeof(installation), "%s/installation", dir);
    return store_open_shared(&(struct store_shared){.url = server_url,
                                                    .copy = copy,
                                                    .installation = installation,
                                                    .node = name,
                                                    .alone = true},
                             err);
}

static void who_is_alone_is_refused_while_another_is_and_ends_it_by_taking_over(void **state)
{
    (void)state;
    struct error err = {0};
    bool lost = false;
    struct store *a = alone("a", &err);
    assert_non_null(a);
    assert_true(put(a, "s", 1, &err));
    /* Its time never runs out as long as it says so: here by the year. */
    assert_int_equal(server_sql("UPDATE homerun.node SET valid_until = now() + interval '1 year'"),
                     0);
    assert_null(alone("b", &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "another Homerun (a)"));
    assert_int_equal(server_sql("UPDATE homerun.node SET valid_until = now()"), 0);
    assert_true(store_renew(a, &lost, &err));
    assert_false(lost); /* nobody took it: an outage of the server costs nothing */
    assert_int_equal(server_sql("UPDATE homerun.node SET valid_until = now()"), 0);
    struct store *b = alone("b", &err);
    assert_non_null(b);
    assert_false(put(a, "s", 2, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "Another Homerun"));
    assert_true(store_renew(a, &lost, &err));
    assert_true(lost);
    assert_true(put(b, "s", 3, &err));
    store_close(b);
    a = (store_close(a), alone("a", &err)); /* given back: at once */
    assert_non_null(a);
    assert_int_equal(number_of(a, "s"), 3);
    store_close(a);
}

static void a_newer_schema_is_refused_in_one_sentence_and_left_alone(void **state)
{
    (void)state;
    struct error err = {0};
    store_close(node("a"));
    raise_numbers(90, 90);
    assert_null(server_open(dir, "a", "installation", &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "newer Homerun"));
    assert_null(strchr(err.text, '\n'));
    assert_int_equal(server_sql("DO \\$\\$ BEGIN ASSERT (SELECT value > '90' FROM homerun.meta"
                                " WHERE name = 'schema'); END \\$\\$"),
                     0);
}

static void a_database_that_was_put_back_is_noticed(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *a = node("a");
    assert_true(put(a, "s", 1, &err));
    assert_true(put(a, "s", 2, &err));
    assert_int_equal(server_sql("DELETE FROM homerun.change WHERE number = 2"), 0);
    assert_false(put(a, "s", 3, &err));
    assert_int_equal(err.status, STATUS_DATA_LOSS);
    store_close(a);
    assert_null(server_open(dir, "a", "installation", &err));
    assert_int_equal(err.status, STATUS_DATA_LOSS);
    assert_non_null(strstr(err.text, "older state"));
}

static void a_copy_is_not_taken_for_a_record(void **state)
{
    (void)state;
    struct error err = {0};
    char path[128];
    store_close(node("a"));
    snprintf(path, sizeof(path), "%s/a", dir);
    assert_null(store_open(path, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "copy"));
}

/* By another role; NULL: *err. */
static struct store *open_as(const char *role, struct error *err)
{
    char url[160];
    snprintf(url, sizeof(url), "%s", server_url);
    snprintf(server_url, sizeof(server_url), "postgresql:///postgres?host=%s&user=%s", server_dir,
             role);
    struct store *store = server_open(dir, "a", "installation", err);
    snprintf(server_url, sizeof(server_url), "%s", url);
    return store;
}

static void a_role_without_rights_is_told_which(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(
        server_sql(
            "SET client_min_messages = error; DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN;"),
        0);
    assert_null(open_as("poor", &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "permission denied"));
    assert_non_null(strstr(err.text, "schema homerun"));
}

/* The server ends a statement that takes longer than five seconds: none may grow with the change.
 */
static void a_large_change_is_sent_in_parts_and_is_one_change(void **state)
{
    (void)state;
    enum { DOCUMENTS = 12, BYTES = 1000000 };
    struct error err = {0};
    struct store *a = node("a");
    assert_int_equal(
        server_sql("SET client_min_messages = error; DROP SCHEMA IF EXISTS counts CASCADE;"
                   " CREATE SCHEMA counts; CREATE TABLE counts.statements (one integer);"
                   " CREATE FUNCTION counts.one() RETURNS trigger LANGUAGE plpgsql AS \\$\\$ BEGIN"
                   " INSERT INTO counts.statements VALUES (1); RETURN NULL; END \\$\\$;"
                   " CREATE TRIGGER one AFTER INSERT ON homerun.document"
                   " EXECUTE FUNCTION counts.one()"),
        0);
    char *text = malloc(BYTES + 1);
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    auto_json *body = json_pack("{s:s}", "text", text);
    assert_true(store_begin(a, &err));
    for (int i = 0; i < DOCUMENTS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "s%d", i);
        assert_true(store_put(a, STORE_SERVICE, key, body, NULL, NULL, &err));
    }
    if (!store_commit(a, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(
        server_sql(
            "DO \\$\\$ BEGIN ASSERT (SELECT count(*) BETWEEN 2 AND 6 FROM counts.statements);"
            " ASSERT (SELECT count(*) = 1 FROM homerun.change);"
            " ASSERT (SELECT count(*) = 12 FROM homerun.touched);"
            " ASSERT (SELECT sum(length(body)) > 12000000 FROM homerun.document);"
            " END \\$\\$; DROP SCHEMA counts CASCADE"),
        0);
    free(text);
    store_close(a);
}

/* What the role that the next ones connect by is set to. */
static void set_for_role(const char *setting)
{
    char sql[200];
    snprintf(sql, sizeof(sql), "ALTER ROLE odd SET %s", setting);
    assert_int_equal(server_sql(sql), 0);
}

static void make_role(void)
{
    assert_int_equal(
        server_sql("SET client_min_messages = error; DROP SCHEMA IF EXISTS evil CASCADE;"
                   " DROP ROLE IF EXISTS odd; CREATE ROLE odd LOGIN SUPERUSER"),
        0);
}

/* Statements are written for these settings, whatever was set for the database or the role. */
static void what_was_set_for_the_role_means_other_sessions(void **state)
{
    (void)state;
    struct error err = {0};
    static const char *const settings[] = {
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "client_min_messages = 'error'",
        "search_path = evil, pg_catalog",
        "synchronous_commit = 'off'",
        "standard_conforming_strings = off",
        "statement_timeout = 1",
        "idle_in_transaction_session_timeout = 1",
        "idle_session_timeout = 1",
        "lock_timeout = 1",
        "transform_null_equals = on",
        "row_security = off",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'sql_standard'",
    };
    make_role();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        set_for_role(settings[i]);
    }
    assert_int_equal(
        server_sql("CREATE SCHEMA evil; CREATE FUNCTION evil.pg_notify(text, text) RETURNS void"
                   " LANGUAGE sql AS 'SELECT 1 / 0'"),
        0);
    struct store *a = open_as("odd", &err);
    if (a == NULL) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(
        server_sql("CREATE FUNCTION evil.look() RETURNS trigger LANGUAGE plpgsql AS \\$\\$ BEGIN"
                   " ASSERT current_setting('synchronous_commit') = 'on'; RETURN NEW; END \\$\\$;"
                   " CREATE TRIGGER look BEFORE INSERT ON homerun.change"
                   " EXECUTE FUNCTION evil.look()"),
        0);
    if (!put(a, "s", 1, &err)) {
        fail_msg("%s", err.text);
    }
    store_close(a);
}

/* What Homerun must not take back by itself: somebody wants no changes, or no checks. */
static void settings_that_forbid_the_work_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *said;
    } cases[] = {
        {"default_transaction_read_only = on", "default_transaction_read_only"},
        {"session_replication_role = replica", "RESET session_replication_role"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        make_role();
        set_for_role(cases[i].setting);
        assert_null(open_as("odd", &err));
        if (strstr(err.text, cases[i].said) == NULL || strchr(err.text, '\n') != NULL) {
            fail_msg("%s: %s", cases[i].setting, err.text);
        }
    }
}

static void urls_that_give_something_away_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *said;
    } cases[] = {
        {"postgresql://u:secret@localhost/db", "passfile"},
        {"postgresql://u@localhost/db?password=secret", "passfile"},
        {"postgresql://u@localhost/db?p%61ssword=secret", "passfile"},
        {"postgresql://u@localhost/db?sslpassword=secret", "0600"},
        {"postgresql://u@localhost/db?options=-cfsync%3Doff", "options"},
        {"postgresql://u:secret/secret@localhost/db", "passfile"},
        {"postgresql://u:%secret@localhost/db", "passfile"},
        {"postgresql://localhost/db?password=%secret", "percent-encoded"},
        {"postgresql://[::1/db?password=secret", "matching"},
        {"postgresql:///db", "names no host"},
        {"postgresql://db.example.com/db?sslmode=require", "verify-full"},
        {"postgresql://db.example.com/db?sslmode=disable", "verify-full"},
        {"postgresql://db.example.com/db?sslmode=allow", "verify-full"},
        {"postgresql://db.example.com/db?sslmode=verify-ca", "verify-full"},
        {"postgresql:///db?host=db.example.com&hostaddr=127.0.0.1&sslmode=require", "verify-full"},
        {"postgresql:///db?hostaddr=192.0.2.1&sslmode=prefer", "verify-full"},
        {"postgresql://localhost/db?hostaddr=192.0.2.1&sslmode=prefer", "verify-full"},
        {"postgresql:///db?host=/run/postgresql&hostaddr=192.0.2.1&sslmode=disable", "verify-full"},
        {"postgresql://127.evil.example/db?sslmode=prefer", "verify-full"},
        {"postgresql://127.0.0.1.evil.example/db?sslmode=prefer", "verify-full"},
        {"postgresql://localhost/db?service=record&sslmode=disable", "verify-full"},
        {"postgresql://?service=record&sslmode=disable", "verify-full"},
        {"postgresql://localhost,db.example.com/db?sslmode=prefer", "verify-full"},
        {"postgresql://localhost/db?sslmod=disable", "sslmod"},
        {"postgresql://localhost/db?passfile=/no/such/file", "passfile"},
        {"host=localhost dbname=db", "postgresql://"},
        {"mysql://localhost/db", "postgresql://"},
    };
    char url[160];
    snprintf(url, sizeof(url), "%s", server_url);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        snprintf(server_url, sizeof(server_url), "%s", cases[i].url);
        assert_null(server_open(dir, "a", "installation", &err));
        if (strstr(err.text, cases[i].said) == NULL || strstr(err.text, "secret") != NULL ||
            strchr(err.text, '\n') != NULL) {
            fail_msg("%s: %s", cases[i].url, err.text);
        }
    }
    snprintf(server_url, sizeof(server_url), "%s", url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_node_that_is_behind_changes_nothing_until_it_has_followed, make),
        cmocka_unit_test_setup(a_copy_is_read_under_one_lock_which_gives_way_to_what_others_change,
                               make),
        cmocka_unit_test_setup(numbers_have_no_gaps_whatever_was_refused, make),
        cmocka_unit_test_setup(a_change_whose_session_is_ended_on_the_way_is_made_once, make),
        cmocka_unit_test_setup(a_change_that_a_killed_node_left_behind_keeps_its_place, make),
        cmocka_unit_test_setup(a_change_is_answered_as_it_ended_however_often_the_link_is_cut,
                               make),
        cmocka_unit_test_setup(a_pooler_between_is_refused, make),
        cmocka_unit_test_setup(a_server_that_is_started_anew_loses_nothing, make),
        cmocka_unit_test_setup(a_server_that_is_away_is_said_in_words_and_changes_nothing, make),
        cmocka_unit_test_setup(a_schema_that_another_node_makes_meanwhile_is_seen, make),
        cmocka_unit_test_setup(a_database_takes_one_installation, make),
        cmocka_unit_test_setup(nodes_of_a_new_cluster_wait_for_the_first_one, make),
        cmocka_unit_test_setup(newer_tables_are_worked_by_if_they_say_that_ours_can, make),
        cmocka_unit_test_setup(a_folder_is_of_an_installation_once_that_is_settled, make),
        cmocka_unit_test_setup(who_is_alone_is_refused_while_another_is_and_ends_it_by_taking_over,
                               make),
        cmocka_unit_test_setup(a_newer_schema_is_refused_in_one_sentence_and_left_alone, make),
        cmocka_unit_test_setup(a_database_that_was_put_back_is_noticed, make),
        cmocka_unit_test_setup(a_copy_is_not_taken_for_a_record, make),
        cmocka_unit_test_setup(a_role_without_rights_is_told_which, make),
        cmocka_unit_test_setup(a_large_change_is_sent_in_parts_and_is_one_change, make),
        cmocka_unit_test_setup(what_was_set_for_the_role_means_other_sessions, make),
        cmocka_unit_test_setup(settings_that_forbid_the_work_are_refused_by_name, make),
        cmocka_unit_test_setup(urls_that_give_something_away_are_refused, make),
    };
    if (!server_is_here()) {
        print_message("[  SKIPPED ] PostgreSQL's server is not installed (postgresql)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, server_make, server_stop);
}
