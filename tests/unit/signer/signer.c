/* The whole process, as the supervisor starts it but for the exec, asked by the client that control
 * uses. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/file.h"
#include "folder.h"
#include "ipc/settings.h"
#include "ipc/signer_client.h"
#include "signer/sandbox.h"
#include "signer/signer.h"
#include "trust/secret.h"

enum { OURS, ITS, ENDS };

struct stage {
    char data[64];
    int supervisor[ENDS], control[ENDS], metadata[ENDS], ingress[ENDS];
    uint64_t next_id;
    pid_t pid;
};

static struct stage stage;

static void pair(int fds[ENDS])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
}

static void signer_run(int settings)
{
    char names[128];
    snprintf(names, sizeof(names), "settings=%d supervisor=%d control=%d metadata=%d ingress0=%d",
             settings, stage.supervisor[ITS], stage.control[ITS], stage.metadata[ITS],
             stage.ingress[ITS]);
    setenv("HOMERUN_FDS", names, 1);
    char role[] = "homerun signer";
    char *argv[] = {role, NULL};
    _exit(signer_main(1, argv));
}

static void signer_start(void)
{
    struct settings settings;
    struct error err;
    settings_default(&settings);
    settings.log_level = 0;
    snprintf(settings.data, sizeof(settings.data), "%s", stage.data);
    int fd = memfd_create("settings", 0);
    assert_true(settings_write(&settings, fd, &err));
    stage.pid = fork();
    if (stage.pid == 0) {
        signer_run(fd);
    }
    close(fd);
    static char body[IPC_PACKET_MAX];
    enum message_type type;
    size_t bytes;
    assert_true(ipc_receive_now(stage.supervisor[OURS], &type, body, &bytes, 30000, &err));
    assert_int_equal(type, MSG_READY);
}

static int signer_end(void)
{
    struct error err;
    int status = -1;
    assert_true(ipc_send_now(stage.supervisor[OURS], MSG_DRAIN, NULL, 0, 1000, &err));
    assert_int_equal(waitpid(stage.pid, &status, 0), stage.pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int stage_set(void **state)
{
    (void)state;
    stage = (struct stage){0};
    folder_new(stage.data);
    pair(stage.supervisor);
    pair(stage.control);
    pair(stage.metadata);
    pair(stage.ingress);
    signer_start();
    return 0;
}

static int stage_strike(void **state)
{
    (void)state;
    int status = signer_end();
    for (int i = 0; i < ENDS; i++) {
        close(stage.supervisor[i]);
        close(stage.control[i]);
        close(stage.metadata[i]);
        close(stage.ingress[i]);
    }
    folder_free(stage.data);
    return status;
}

static bool ask(int fd, enum sign_kind kind, struct slice bytes, struct arena *arena,
                struct slice *out, char kid[64])
{
    struct error err;
    return signer_call(fd, &stage.next_id, kind, bytes, arena, out, kid, &err);
}

static struct trust_jwk newest(struct arena *arena, size_t *count)
{
    struct slice set;
    struct error err;
    static struct trust_jwk keys[8];
    char kid[64];
    assert_true(ask(stage.control[OURS], SIGN_PUBLIC_KEYS, SLICE_NONE, arena, &set, kid));
    assert_true(trust_jwks_read(arena, set, keys, 8, count, &err));
    assert_true(slice_is(keys[0].kid, kid));
    return keys[0];
}

static enum token_fault check(struct arena *arena, struct slice text, const struct trust_jwk *jwk)
{
    struct token token;
    struct error err;
    enum token_fault fault = token_parse(arena, text, &token);
    if (fault != TOKEN_OK) {
        return fault;
    }
    struct trust_key *key = trust_key_from_spki(jwk->spki, jwk->alg, &err);
    assert_non_null(key);
    fault = token_verify_signature(&token, key);
    trust_key_free(key);
    return fault;
}

static void what_the_issuer_signs_verifies_under_its_published_key(void **state)
{
    (void)state;
    auto_arena arena = {0};
    size_t count;
    struct slice signature;
    char kid[64];
    struct trust_jwk key = newest(&arena, &count);
    struct slice input =
        token_signing_input(&arena, TRUST_RS256, key.kid, SLICE("{\"sub\":\"1\",\"exp\":5}"));
    assert_true(ask(stage.control[OURS], SIGN_ISSUER_JWT, input, &arena, &signature, kid));
    assert_true(slice_is(key.kid, kid));
    assert_int_equal(check(&arena, token_assemble(&arena, input, signature), &key), TOKEN_OK);
}

static void the_issuer_signs_nothing_but_tokens_of_its_own_keys(void **state)
{
    (void)state;
    auto_arena arena = {0};
    size_t count;
    struct slice out;
    struct slice kid = newest(&arena, &count).kid;
    struct slice claims = SLICE("{}");
    struct slice bad[] = {
        SLICE_NONE,
        SLICE("hello"),
        SLICE("a.b"),
        token_signing_input(&arena, TRUST_RS256, SLICE("unknown"), claims),
        token_signing_input(&arena, TRUST_ES256, kid, claims),
        token_signing_input(&arena, TRUST_RS256, kid, SLICE("no JSON")),
        token_signing_input(&arena, TRUST_RS256, kid, SLICE("[]")),
        slice_of(arena_printf(&arena, "%.*s.x",
                              SLICE_ARG(token_signing_input(&arena, TRUST_RS256, kid, claims)))),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ask(stage.control[OURS], SIGN_ISSUER_JWT, bad[i], &arena, &out, NULL));
    }
}

static void nobody_but_control_is_listened_to(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice out;
    struct msg_sign question = {.id = 1, .kind = SIGN_PUBLIC_KEYS};
    assert_true(
        ipc_send_now(stage.metadata[OURS], MSG_SIGN, &question, sizeof(question), 1000, &err));
    for (int i = 0; i < 3; i++) { /* it has been round its loop since */
        assert_true(ask(stage.control[OURS], SIGN_PUBLIC_KEYS, SLICE_NONE, &arena, &out, NULL));
    }
    struct pollfd waits = {.fd = stage.metadata[OURS], .events = POLLIN};
    assert_int_equal(poll(&waits, 1, 0), 0);
}

static void an_account_signs_with_a_key_of_its_own(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice jwt, blob;
    char kid[64], again[64];
    int fd = stage.control[OURS];
    assert_true(signer_call_account(fd, &stage.next_id, SIGN_ACCOUNT_JWT, SLICE("7"),
                                    SLICE(" {\"aud\":{\"free\":true}}"), &arena, &jwt, kid, &err));
    assert_true(token_looks_like_jwt(jwt));
    assert_true(signer_call_account(fd, &stage.next_id, SIGN_ACCOUNT_BLOB, SLICE("7"),
                                    SLICE("any\0thing"), &arena, &blob, again, &err));
    assert_string_equal(kid, again);
    assert_int_equal(blob.len, 256);
    /* Its file is the key that signed. */
    struct slice pem, der, signature;
    char *path = arena_printf(&arena, "%s/signer/account-7.pem", stage.data);
    assert_true(file_read(&arena, path, 65536, &pem, &err));
    struct trust_secret *secret = trust_secret_from_pem(pem, &err);
    assert_true(trust_secret_spki(&arena, secret, &der, &err));
    trust_secret_free(secret);
    struct trust_key *key = trust_key_from_spki(der, TRUST_RS256, &err);
    assert_true(trust_verify(key, SLICE("any\0thing"), blob));
    size_t dot = (size_t)slice_find_last(jwt, '.');
    assert_true(base64url_decode(&arena, slice_from(jwt, dot + 1), &signature));
    assert_true(trust_verify(key, slice_upto(jwt, dot), signature));
    trust_key_free(key);
    assert_false(signer_call_account(fd, &stage.next_id, SIGN_ACCOUNT_JWT, SLICE("7"), SLICE("[]"),
                                     &arena, &jwt, kid, &err));
    assert_false(signer_call_account(fd, &stage.next_id, SIGN_ACCOUNT_BLOB, SLICE("../7"),
                                     SLICE("x"), &arena, &blob, kid, &err));
    assert_false(ask(fd, SIGN_ACCOUNT_BLOB, SLICE("7"), &arena, &blob, NULL));
}

static void a_users_key_is_given_out_once_and_not_kept(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice out, der, own;
    char kid[64];
    assert_true(ask(stage.control[OURS], SIGN_NEW_ACCOUNT_KEY, SLICE_NONE, &arena, &out, kid));
    size_t nul = (size_t)slice_find(out, '\0');
    struct trust_secret *secret = trust_secret_from_pem(slice_upto(out, nul), &err);
    assert_non_null(secret);
    assert_true(trust_secret_spki(&arena, secret, &own, &err));
    struct slice rest = slice_from(out, nul + 1), spki;
    assert_true(slice_cut(&rest, '\0', &spki));
    assert_true(base64_decode_any(&arena, spki, &der));
    struct trust_public wrapped;
    assert_true(trust_public_read(&arena, rest, &wrapped, &err));
    assert_true(slice_equal(wrapped.spki, own));
    assert_true(slice_equal(der, own));
    assert_int_equal(strlen(kid), 40);
    trust_secret_free(secret);
    char *path = arena_printf(&arena, "%s/signer/issuer-%s.pem", stage.data, kid);
    assert_int_equal(access(path, F_OK), -1);
}

static void rotation_keeps_the_old_key_until_it_is_forgotten_also_over_a_restart(void **state)
{
    (void)state;
    auto_arena arena = {0};
    size_t count;
    struct slice out;
    int fd = stage.control[OURS];
    struct trust_jwk old = newest(&arena, &count);
    assert_int_equal(count, 1);
    assert_false(ask(fd, SIGN_FORGET, old.kid, &arena, &out, NULL));
    assert_true(ask(fd, SIGN_ROTATE, SLICE_NONE, &arena, &out, NULL));
    struct trust_jwk new = newest(&arena, &count);
    assert_int_equal(count, 2);
    assert_false(slice_equal(new.kid, old.kid));
    assert_int_equal(signer_end(), 0);
    signer_start(); /* a successor, on the same channels */
    assert_true(slice_equal(newest(&arena, &count).kid, new.kid));
    assert_int_equal(count, 2);
    struct slice input = token_signing_input(&arena, TRUST_RS256, old.kid, SLICE("{}"));
    assert_true(ask(fd, SIGN_ISSUER_JWT, input, &arena, &out, NULL));
    assert_true(ask(fd, SIGN_FORGET, old.kid, &arena, &out, NULL));
    newest(&arena, &count);
    assert_int_equal(count, 1);
    assert_false(ask(fd, SIGN_ISSUER_JWT, input, &arena, &out, NULL));
}

static void a_leaf_is_signed_by_the_ca_that_everybody_may_read(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice out, shown;
    int fd = stage.control[OURS];
    assert_true(
        ask(fd, SIGN_LEAF, SLICE("localhost, *.run.localhost,127.0.0.1"), &arena, &out, NULL));
    char *path = arena_printf(&arena, "%s/ca.pem", stage.data);
    assert_true(file_read(&arena, path, 65536, &shown, &err));
    size_t nul = (size_t)slice_find(out, '\0');
    assert_true(slice_ends(slice_upto(out, nul), shown)); /* leaf first, then the CA */
    struct trust_secret *secret = trust_secret_from_pem(slice_from(out, nul + 1), &err);
    assert_non_null(secret);
    trust_secret_free(secret);
    assert_false(ask(fd, SIGN_LEAF, SLICE("bad name"), &arena, &out, NULL));
    assert_false(ask(fd, SIGN_LEAF, SLICE_NONE, &arena, &out, NULL));
}

static void a_value_of_64_kib_is_sealed_and_opened_also_after_a_restart(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice sealed, out;
    int fd = stage.control[OURS];
    char *bytes = arena_alloc(&arena, 65536);
    memset(bytes, 0xe4, 65536);
    struct slice value = {bytes, 65536}, name = SLICE("projects/p/secrets/s/versions/1#7");
    assert_true(
        signer_call_named(fd, &stage.next_id, SIGN_SEAL, name, value, &arena, &sealed, &err));
    assert_int_equal(signer_end(), 0);
    signer_start();
    assert_true(signer_call_named(fd, &stage.next_id, SIGN_OPEN, name, sealed, &arena, &out, &err));
    assert_true(slice_equal(out, value));
    assert_false(signer_call_named(fd, &stage.next_id, SIGN_OPEN, SLICE("other"), sealed, &arena,
                                   &out, &err));
    assert_false(ask(fd, SIGN_SEAL, SLICE("no name in front"), &arena, &out, NULL));
}

static void a_question_of_a_wrong_length_or_kind_is_refused_and_the_next_one_answered(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    size_t count;
    static char body[IPC_PACKET_MAX];
    enum message_type type;
    size_t bytes;
    struct msg_sign questions[] = {
        {.id = 1, .kind = SIGN_PUBLIC_KEYS, .bytes = 1},
        {.id = 2, .kind = SIGN_OPEN + 1},
        {.id = 3, .kind = UINT32_MAX},
    };
    for (size_t i = 0; i < 3; i++) {
        struct msg_signed answer;
        assert_true(ipc_send_now(stage.control[OURS], MSG_SIGN, &questions[i], sizeof(questions[i]),
                                 1000, &err));
        assert_true(ipc_receive_now(stage.control[OURS], &type, body, &bytes, 5000, &err));
        memcpy(&answer, body, sizeof(answer));
        assert_true(type == MSG_SIGNED && answer.id == i + 1 && answer.ok == 0);
    }
    newest(&arena, &count);
}

static bool capget_has(unsigned capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    syscall(SYS_capget, &head, sets);
    return (sets[0].permitted >> capability & 1) != 0;
}

static void the_sandbox_has_no_network_no_power_and_starts_nothing(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-sandbox-XXXXXX", inside[64], beside[64];
    assert_non_null(mkdtemp(dir));
    snprintf(inside, sizeof(inside), "%s/inside", dir);
    snprintf(beside, sizeof(beside), "%s-beside", dir);
    pid_t pid = fork();
    if (pid == 0) {
        struct error err;
        char *argv[] = {NULL};
        int faults = 0;
        if (!signer_sandbox_enter(dir, &err)) {
            _exit(77); /* this kernel has no seccomp or no Landlock, or a sanitizer runs */
        }
        faults |= socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM ? 1 : 0;
        faults |= socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM ? 2 : 0;
        faults |= open("/dev/null", O_RDONLY | O_CLOEXEC) == -1 ? 4 : 0;
        for (unsigned capability = 0; capability <= CAP_LAST_CAP; capability++) {
            faults |= capget_has(capability) ? 16 : 0; /* the folder is ours: nothing is needed */
        }
        faults |= open(inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 ? 32 : 0;
        faults |= open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) != -1 ? 64 : 0;
        faults |= unlink(inside) != 0 ? 32 : 0;
        faults |= execve("/bin/false", argv, argv) != -1 || errno != EPERM ? 8 : 0;
        _exit(faults);
    }
    int status;
    waitpid(pid, &status, 0);
    rmdir(dir);
    unlink(beside);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, stage_set, stage_strike)

/* ---- the doors ---- */

static void ingress_has_the_doors_assertions_signed_and_nothing_else(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice out, keys, pems;
    struct trust_jwk found[4];
    struct token token;
    struct error err;
    size_t count;
    char kid[64] = "";
    int fd = stage.ingress[OURS];
    assert_true(
        ask(fd, SIGN_DOOR_ASSERTION, SLICE("{\"iss\":\"i\",\"exp\":1}"), &arena, &out, kid));
    assert_int_equal(strlen(kid), 6);
    assert_true(ask(fd, SIGN_DOOR_KEYS, SLICE_NONE, &arena, &keys, NULL));
    assert_true(slice_cut(&keys, '\0', &pems));
    assert_true(slice_find_slice(pems, slice_of(kid)) >= 0);
    assert_true(trust_jwks_read(&arena, keys, found, 4, &count, &err));
    assert_int_equal(count, 1);
    assert_int_equal(token_parse(&arena, out, &token), TOKEN_OK);
    assert_true(slice_is(token.kid, kid) && token.alg == TRUST_ES256);
    struct trust_key *key = trust_key_from_spki(found[0].spki, TRUST_ES256, &err);
    assert_int_equal(token_verify_signature(&token, key), TOKEN_OK);
    trust_key_free(key);
    static const enum sign_kind others[] = {
        SIGN_ISSUER_JWT,      SIGN_ACCOUNT_JWT, SIGN_ACCOUNT_BLOB, SIGN_ROTATE,
        SIGN_NEW_ACCOUNT_KEY, SIGN_PUBLIC_KEYS, SIGN_FORGET,       SIGN_LEAF,
        SIGN_ACCOUNT_KEY,     SIGN_SEAL,        SIGN_OPEN};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(ask(fd, others[i], SLICE("1\0{}"), &arena, &out, NULL));
    }
    assert_false(ask(fd, SIGN_DOOR_ASSERTION, SLICE("[]"), &arena, &out, NULL));
    assert_false(ask(fd, SIGN_DOOR_ASSERTION, SLICE("x"), &arena, &out, NULL));
    assert_false(ask(stage.control[OURS], SIGN_DOOR_ASSERTION, SLICE("{}"), &arena, &out, NULL));
}

static void a_rotation_gives_the_doors_a_new_key_and_keeps_the_one_before(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice out, keys, pems;
    struct trust_jwk found[4];
    struct error err;
    size_t count;
    char before[64] = "", after[64] = "", later[64] = "";
    int fd = stage.ingress[OURS];
    assert_true(ask(fd, SIGN_DOOR_ASSERTION, SLICE("{}"), &arena, &out, before));
    for (int i = 0; i < 2; i++) {
        assert_true(ask(stage.control[OURS], SIGN_ROTATE, SLICE_NONE, &arena, &out, NULL));
        assert_true(ask(fd, SIGN_DOOR_ASSERTION, SLICE("{}"), &arena, &out, after));
        assert_string_not_equal(before, after);
        assert_true(ask(fd, SIGN_DOOR_KEYS, SLICE_NONE, &arena, &keys, NULL));
        assert_true(slice_cut(&keys, '\0', &pems));
        assert_true(trust_jwks_read(&arena, keys, found, 4, &count, &err));
        assert_int_equal(count, 2);
        assert_true(slice_is(found[0].kid, after) && slice_is(found[1].kid, before));
        snprintf(before, sizeof(before), "%s", after);
    }
    assert_int_equal(signer_end(), 0);
    signer_start(); /* with the keys that lie on disk */
    assert_true(ask(fd, SIGN_DOOR_ASSERTION, SLICE("{}"), &arena, &out, later));
    assert_string_equal(later, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(what_the_issuer_signs_verifies_under_its_published_key),
        ON_STAGE(the_issuer_signs_nothing_but_tokens_of_its_own_keys),
        ON_STAGE(nobody_but_control_is_listened_to),
        ON_STAGE(an_account_signs_with_a_key_of_its_own),
        ON_STAGE(a_users_key_is_given_out_once_and_not_kept),
        ON_STAGE(rotation_keeps_the_old_key_until_it_is_forgotten_also_over_a_restart),
        ON_STAGE(a_leaf_is_signed_by_the_ca_that_everybody_may_read),
        ON_STAGE(a_value_of_64_kib_is_sealed_and_opened_also_after_a_restart),
        ON_STAGE(a_question_of_a_wrong_length_or_kind_is_refused_and_the_next_one_answered),
        cmocka_unit_test(the_sandbox_has_no_network_no_power_and_starts_nothing),
        cmocka_unit_test_setup_teardown(ingress_has_the_doors_assertions_signed_and_nothing_else,
                                        stage_set, stage_strike),
        cmocka_unit_test_setup_teardown(
            a_rotation_gives_the_doors_a_new_key_and_keeps_the_one_before, stage_set, stage_strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
