#include "store/postgres_session.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/postgres_greeting.h"
#include "store/postgres_password.h"

/* libpq's messages have several lines, one for each host that was tried. */
static void one_line(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '\n' || *in == '\t' || *in == ' ') {
            if (out > text && out[-1] != ' ') {
                *out++ = ' ';
            }
        } else {
            *out++ = *in;
        }
    }
    while (out > text && out[-1] == ' ') {
        out--;
    }
    *out = '\0';
}

/* What libpq cannot read it quotes, and there may be a password in it: only a keyword's name, which
 * is short and of letters, stays. */
static void hide_quoted(char *text)
{
    static const char hidden[] = "…";
    char *begin = strchr(text, '"'), *end = strrchr(text, '"');
    size_t len = begin == NULL || end == begin ? 0 : (size_t)(end - begin) - 1;
    if (len >= sizeof(hidden) && strspn(begin + 1, "abcdefghijklmnopqrstuvwxyz_") != len) {
        memcpy(begin + 1, hidden, sizeof(hidden) - 1);
        memmove(begin + sizeof(hidden), end, strlen(end) + 1);
    }
}

/* ---- where ---- */

/* What the URL may not have, and why. */
static const struct {
    const char *keyword, *why;
} refused[] = {
    {"password", "a password in it is seen by everybody who lists processes: put it into a file "
                 "(https://www.postgresql.org/docs/15/libpq-pgpass.html) of mode 0600 and add "
                 "?passfile=FILE"},
    {"sslpassword", "a password in it is seen by everybody who lists processes: keep the key "
                    "without one, in a file of mode 0600"},
    {"options", "the options of the session are Homerun's own: set others for the role (ALTER "
                "ROLE … SET …)"},
    {"replication", "a replication connection takes no statements"},
    {"client_encoding", "the encoding is always UTF8"},
    {"application_name", "the name is Homerun's own"},
};

/* What every session has, unless the URL says otherwise. The server's own limits end what this side
 * has given up. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"target_session_attrs", "read-write"},
    {"connect_timeout", "3"},
    {"keepalives", "1"},
    {"keepalives_idle", "2"},
    {"keepalives_interval", "1"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "4000"},
    {"gssencmode", "disable"},
    {"client_encoding", "UTF8"},
    {"options", "-c lock_timeout=4000 -c statement_timeout=5000"
                " -c idle_in_transaction_session_timeout=10000 -c idle_session_timeout=0"
                " -c client_connection_check_interval=500"
                /* What was set for the role or the database means other sessions than this: our
                 * statements are written for these. A warning tells of a commit that no standby has
                 * (postgres.c), so it has to come. */
                " -c default_transaction_isolation=read\\ committed"
                " -c default_transaction_deferrable=off -c search_path=pg_catalog"
                " -c client_min_messages=warning"},
};

/* A socket's folder, or a loopback address: "127.evil.example" is a name like any other. */
static bool is_local(struct slice host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    return slice_starts(host, SLICE("/")) || slice_is(host, "localhost") || slice_is(host, "::1") ||
           (slice_starts(host, SLICE("127.")) && host.len < sizeof(text) &&
            snprintf(text, sizeof(text), "%.*s", SLICE_ARG(host)) > 0 &&
            inet_pton(AF_INET, text, &address) == 1);
}

/* Whether all hosts of a list are on this machine. */
static bool are_local(const char *hosts)
{
    struct slice rest = slice_of(hosts), host;
    bool local = rest.len > 0;
    while (slice_cut(&rest, ',', &host)) {
        local = local && is_local(host);
    }
    return local;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val == NULL || options->val[0] == '\0' ? NULL : options->val;
        }
    }
    return NULL;
}

/*
 * Whether a connection certainly stays on this machine. libpq goes to the address where there is
 * one, whatever the name is; a service may bring either.
 */
static bool stays_here(const PQconninfoOption *options)
{
    const char *host = option(options, "host"), *address = option(options, "hostaddr");
    address = address == NULL ? getenv("PGHOSTADDR") : address;
    return option(options, "service") == NULL && getenv("PGSERVICE") == NULL &&
           (host != NULL || address != NULL) && (host == NULL || are_local(host)) &&
           (address == NULL || address[0] == '\0' || are_local(address));
}

/* How TLS has to be: NULL, or why not. */
static const char *tls_fault(const PQconninfoOption *options)
{
    const char *mode = option(options, "sslmode");
    if (mode == NULL || strcmp(mode, "verify-full") == 0 || stays_here(options)) {
        return NULL;
    }
    return "to another machine only sslmode=verify-full is taken (it is the default; "
           "sslrootcert=FILE names the authority)";
}

static bool check_options(const PQconninfoOption *options, struct error *err)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (option(options, refused[i].keyword) != NULL) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "%s: %s", refused[i].keyword,
                             refused[i].why);
        }
    }
    const char *hosts = option(options, "host");
    if (hosts == NULL) {
        hosts = option(options, "hostaddr");
    }
    if (hosts == NULL && option(options, "service") == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "it names no host: postgresql://HOST/DATABASE, or "
                         "postgresql:///DATABASE?host=/run/postgresql for a socket");
    }
    const char *fault = tls_fault(options);
    const char *passfile = option(options, "passfile");
    return fault != NULL ? error_set(err, STATUS_INVALID_ARGUMENT, "%s", fault)
                         : passfile == NULL || password_file_check(passfile, err);
}

static void set(struct postgres_session *session, size_t *count, const char *keyword,
                const char *value)
{
    session->keywords[*count] = arena_string(&session->arena, slice_of(keyword));
    session->values[*count] = arena_string(&session->arena, slice_of(value));
    ++*count;
}

static void keep_options(struct postgres_session *session, const PQconninfoOption *options,
                         const char *application)
{
    enum { MOST = 128 };
    size_t count = 0;
    session->keywords = arena_array(&session->arena, const char *, MOST);
    session->values = arena_array(&session->arena, const char *, MOST);
    for (const PQconninfoOption *at = options; at->keyword != NULL && count < MOST / 2; at++) {
        if (at->val != NULL && at->val[0] != '\0') {
            set(session, &count, at->keyword, at->val);
        }
    }
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (option(options, defaults[i].keyword) == NULL) {
            set(session, &count, defaults[i].keyword, defaults[i].value);
        }
    }
    const char *hosts = option(options, "host");
    if (option(options, "sslmode") == NULL && !stays_here(options)) {
        set(session, &count, "sslmode", "verify-full");
    }
    set(session, &count, "application_name", application);
    session->passfile = option(options, "passfile") == NULL
                            ? NULL
                            : arena_string(&session->arena, slice_of(option(options, "passfile")));
    session->keywords[count] = NULL;
    session->values[count] = NULL;
    const char *database = option(options, "dbname");
    const char *service = option(options, "service");
    hosts = hosts == NULL ? option(options, "hostaddr") : hosts;
    session->name = hosts == NULL
                        ? arena_printf(&session->arena, "PostgreSQL by the service %s", service)
                        : arena_printf(&session->arena, "PostgreSQL at %s/%s", hosts,
                                       database == NULL ? "" : database);
}

/* A password that is not percent-encoded may be read as a port and a database, and be quoted as
 * such: whatever stands between a colon and an at sign is taken for one. */
static bool may_have_password(const char *url)
{
    struct slice rest = slice_of(url), path;
    slice_cut(&rest, '?', &path);
    const char *at = path.len == 0 ? NULL : memrchr(path.data, '@', path.len);
    const char *begin = strstr(url, "//") + 2;
    return at != NULL && at > begin && memchr(begin, ':', (size_t)(at - begin)) != NULL;
}

bool postgres_session_init(struct postgres_session *session, const char *url,
                           const char *application, const struct store_host *host,
                           struct error *err)
{
    *session = (struct postgres_session){.host = *host, .pq = libpq_load(err)};
    if (session->pq == NULL) {
        return false;
    }
    if (!slice_starts(slice_of(url), SLICE("postgresql://")) &&
        !slice_starts(slice_of(url), SLICE("postgres://"))) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "the store is a URL such as postgresql://HOST/DATABASE");
    }
    if (may_have_password(url)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the store's URL: password: %s",
                         refused[0].why);
    }
    char *why = NULL;
    PQconninfoOption *options = session->pq->parse(url, &why);
    if (options == NULL) {
        char text[200];
        snprintf(text, sizeof(text), "%s", why == NULL ? "no memory" : why);
        one_line(text);
        hide_quoted(text);
        error_set(err, STATUS_INVALID_ARGUMENT, "the store's URL: %s", text);
        session->pq->free_memory(why);
        return false;
    }
    bool good = check_options(options, err) || error_wrap(err, "the store's URL");
    if (good) {
        keep_options(session, options, application);
    }
    session->pq->parse_free(options);
    return good;
}

void postgres_session_done(struct postgres_session *session)
{
    postgres_session_drop(session);
    arena_done(&session->arena);
}

/* ---- connecting ---- */

static bool fail_by_message(struct postgres_session *session, enum status status,
                            const char *message, struct error *err)
{
    char text[700];
    snprintf(text, sizeof(text), "%s", message);
    one_line(text);
    return error_set(err, status, "%s: %s", session->name, text[0] == '\0' ? "no answer" : text);
}

static void on_notice(void *ctx, const PGresult *result)
{
    struct postgres_session *session = ctx;
    const char *severity = session->pq->result_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    session->warned = session->warned || (severity != NULL && strcmp(severity, "WARNING") == 0);
}

static void set_passfile(struct postgres_session *session, const char *path)
{
    for (size_t i = 0; session->keywords[i] != NULL; i++) {
        if (strcmp(session->keywords[i], "passfile") == 0) {
            session->values[i] = path;
        }
    }
}

struct attempt {
    struct postgres_session *session;
    char copy[40]; /* where libpq finds the passwords; "": no file is named */
    bool good;     /* else ERR says what hindered it */
    struct error err;
};

/* Names are looked up, files are read and TLS shakes hands in here: not on the loop's thread. */
static void connect_away(void *arg)
{
    struct attempt *attempt = arg;
    struct postgres_session *session = attempt->session;
    int passwords = -1;
    if (session->passfile != NULL) {
        passwords = password_file_copy(session->passfile, &attempt->err);
        if (passwords < 0) {
            return;
        }
        snprintf(attempt->copy, sizeof(attempt->copy), "/proc/self/fd/%d", passwords);
        set_passfile(session, attempt->copy);
    }
    session->conn = session->pq->connect(session->keywords, session->values, 0);
    attempt->good = true;
    if (passwords >= 0) {
        set_passfile(session, session->passfile);
        close(passwords);
    }
}

/* What libpq says of why it is not connected. It names the file that the password came from. */
static bool fail_to_connect(const struct attempt *attempt, struct error *err)
{
    struct postgres_session *session = attempt->session;
    const char *said = session->pq->message(session->conn);
    const char *named = attempt->copy[0] == '\0' ? NULL : strstr(said, attempt->copy);
    auto_arena arena = {0};
    const char *text = named == NULL
                           ? said
                           : arena_printf(&arena, "%.*s%s%s", (int)(named - said), said,
                                          session->passfile, named + strlen(attempt->copy));
    struct slice trimmed = slice_of(text);
    while (trimmed.len > 0 && trimmed.data[trimmed.len - 1] == '\n') {
        trimmed.len--;
    }
    return fail_by_message(
        session, STATUS_UNAVAILABLE,
        arena_printf(&arena, "%.*s%s", SLICE_ARG(trimmed), postgres_advice(said)), err);
}

/* Whether the server has ended the session while nobody looked. What is sent now would be lost, and
 * whether it was would have to be asked for. */
static bool has_hung_up(struct postgres_session *session)
{
    struct pollfd fd = {.fd = session->pq->socket(session->conn), .events = POLLRDHUP};
    return poll(&fd, 1, 0) != 0;
}

bool postgres_session_connect(struct postgres_session *session, struct error *err)
{
    if (session->conn != NULL && !postgres_session_is_broken(session) && !has_hung_up(session)) {
        return true;
    }
    postgres_session_drop(session);
    struct attempt attempt = {.session = session};
    session->host.away(session->host.ctx, connect_away, &attempt);
    if (!attempt.good) {
        return error_set(err, STATUS_UNAVAILABLE, "%s: %s", session->name, attempt.err.text);
    }
    if (session->pq->status(session->conn) != CONNECTION_OK) {
        fail_to_connect(&attempt, err);
        postgres_session_drop(session);
        return false;
    }
    session->fresh = true;
    session->pq->set_notices(session->conn, on_notice, session);
    session->pq->set_nonblocking(session->conn, 1);
    if (!postgres_greet(session, err)) {
        postgres_session_drop(session);
        return false;
    }
    return true;
}

void postgres_session_drop(struct postgres_session *session)
{
    if (session->conn != NULL) {
        session->pq->finish(session->conn);
        session->conn = NULL;
    }
}

bool postgres_session_is_broken(const struct postgres_session *session)
{
    return session->conn == NULL || session->pq->status(session->conn) != CONNECTION_OK;
}

/* ---- asking ---- */

/* What SQLSTATEs mean for a caller that wanted a change (PostgreSQL, appendix A). */
static const struct {
    const char *prefix;
    enum status status;
    const char *advice;
} meanings[] = {
    {"53100", STATUS_RESOURCE_EXHAUSTED, "; its disk is full: free some space there"},
    {"53", STATUS_UNAVAILABLE, "; it is overloaded: try again"},
    {"42501", STATUS_FAILED_PRECONDITION,
     "; the role must own the schema homerun, or be allowed to create it"},
    {"42", STATUS_FAILED_PRECONDITION, "; the schema homerun is not as Homerun made it"},
    {"25006", STATUS_UNAVAILABLE, "; it takes no changes now (a standby): try again"},
    {"28", STATUS_FAILED_PRECONDITION, "; check user and password file"},
    {"3D", STATUS_FAILED_PRECONDITION, "; make the database first (createdb)"},
    {"22", STATUS_INVALID_ARGUMENT, ""},
    {"55P03", STATUS_UNAVAILABLE, "; another change holds the record: try again"},
    {"57", STATUS_UNAVAILABLE, "; try again"},
    {"40", STATUS_ABORTED, "; try again"},
    {"08", STATUS_UNAVAILABLE, "; try again"},
};

bool postgres_session_fail(struct postgres_session *session, const PGresult *result,
                           char sqlstate[6], struct error *err)
{
    const struct libpq *pq = session->pq;
    const char *state = pq->result_field(result, PG_DIAG_SQLSTATE);
    const char *primary = pq->result_field(result, PG_DIAG_MESSAGE_PRIMARY);
    state = state == NULL ? "" : state;
    if (sqlstate != NULL) {
        snprintf(sqlstate, 6, "%s", state);
    }
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strncmp(state, meanings[i].prefix, strlen(meanings[i].prefix)) == 0) {
            fail_by_message(session, meanings[i].status, primary, err);
            if (err != NULL) {
                size_t used = strlen(err->text);
                snprintf(err->text + used, sizeof(err->text) - used, "%s", meanings[i].advice);
            }
            return false;
        }
    }
    return fail_by_message(session, state[0] == '\0' ? STATUS_UNAVAILABLE : STATUS_INTERNAL,
                           primary == NULL ? pq->result_message(result) : primary, err);
}

static bool silent(struct postgres_session *session, struct error *err)
{
    bool broken = postgres_session_is_broken(session) && session->conn != NULL;
    if (broken) {
        fail_by_message(session, STATUS_UNAVAILABLE, session->pq->message(session->conn), err);
    } else {
        error_set(err, STATUS_UNAVAILABLE, "%s does not answer", session->name);
    }
    postgres_session_drop(session);
    return false;
}

bool postgres_session_queue(struct postgres_session *session, const char *sql,
                            const char *const *parameters, int count)
{
    return session->conn != NULL &&
           session->pq->send(session->conn, sql, count, NULL, parameters, NULL, NULL, 0) == 1;
}

/* Waits until the socket can be used. */
static bool ready(struct postgres_session *session, short events, int64_t deadline_us)
{
    return session->host.wait(session->host.ctx, session->pq->socket(session->conn), events,
                              deadline_us) &&
           session->conn != NULL;
}

bool postgres_session_send(struct postgres_session *session, int64_t deadline_us)
{
    while (session->conn != NULL) {
        int left = session->pq->flush(session->conn);
        if (left <= 0) {
            return left == 0;
        }
        /* The server may have to be read before it reads on. */
        if (!ready(session, POLLIN | POLLOUT, deadline_us) ||
            session->pq->consume(session->conn) == 0) {
            return false;
        }
    }
    return false;
}

PGresult *postgres_session_next(struct postgres_session *session, int64_t deadline_us)
{
    while (session->conn != NULL && session->pq->is_busy(session->conn) != 0) {
        if (!ready(session, POLLIN, deadline_us) || session->pq->consume(session->conn) == 0) {
            postgres_session_drop(session);
        }
    }
    return session->conn == NULL ? NULL : session->pq->get_result(session->conn);
}

PGresult *postgres_session_ask(struct postgres_session *session, const char *sql,
                               const char *const *parameters, int count, int64_t deadline_us,
                               char sqlstate[6], struct error *err)
{
    const struct libpq *pq = session->pq;
    PGresult *last = NULL, *result;
    if (sqlstate != NULL) {
        sqlstate[0] = '\0';
    }
    if (!postgres_session_queue(session, sql, parameters, count) ||
        !postgres_session_send(session, deadline_us)) {
        silent(session, err);
        return NULL;
    }
    while ((result = postgres_session_next(session, deadline_us)) != NULL) {
        pq->result_clear(last);
        last = result;
    }
    if (session->conn == NULL || last == NULL) {
        pq->result_clear(last);
        silent(session, err);
        return NULL;
    }
    if (pq->result_status(last) != PGRES_COMMAND_OK && pq->result_status(last) != PGRES_TUPLES_OK) {
        postgres_session_fail(session, last, sqlstate, err);
        pq->result_clear(last);
        return NULL;
    }
    return last;
}

bool postgres_session_do(struct postgres_session *session, const char *sql, int64_t deadline_us,
                         struct error *err)
{
    PGresult *result = postgres_session_ask(session, sql, NULL, 0, deadline_us, NULL, err);
    if (result != NULL) {
        session->pq->result_clear(result);
    }
    return result != NULL;
}
