/* Kubeconfig files: what is taken, and what is refused by its name. */
#include "kubernetes/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static const char whole[] = "apiVersion: v1\n"
                            "kind: Config\n"
                            "current-context: here\n"
                            "contexts:\n"
                            "- name: other\n"
                            "  context: {cluster: nowhere, user: nobody}\n"
                            "- name: here\n"
                            "  context: {cluster: c, user: u, namespace: mine}\n"
                            "clusters:\n"
                            "- name: c\n"
                            "  cluster: {%s}\n"
                            "users:\n"
                            "- name: u\n"
                            "  user: {%s}\n";

static bool read_config(struct arena *arena, const char *cluster, const char *user,
                        struct kube_access *out, struct error *err)
{
    char text[4096];
    snprintf(text, sizeof(text), whole, cluster, user);
    *err = (struct error){0};
    return kube_access_read(arena, slice_of(text), "/tmp", "", out, err);
}

static void a_token_and_a_ca_are_taken(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct kube_access access;
    struct error err;
    assert_true(read_config(&arena,
                            "server: 'https://10.0.0.1:6443/', certificate-authority-data: UEVN",
                            "token: abc", &access, &err));
    assert_string_equal(access.server, "https://10.0.0.1:6443");
    assert_true(slice_is(access.ca_pem, "PEM"));
    assert_string_equal(access.token, "abc");
    assert_string_equal(access.name_space, "mine");
    assert_true(read_config(&arena, "server: 'https://[fd00::1]:6443/k8s/clusters/c-1'",
                            "tokenFile: t, insecure: x", &access, &err));
    assert_string_equal(access.server, "https://[fd00::1]:6443/k8s/clusters/c-1");
    assert_string_equal(access.token_file, "/tmp/t");
    assert_true(read_config(&arena, "server: 'https://h', insecure-skip-tls-verify: false",
                            "client-certificate-data: UEVN, client-key-data: UEVN", &access, &err));
    assert_true(slice_is(access.certificate_pem, "PEM") && slice_is(access.key_pem, "PEM"));
}

static void what_is_not_taken_is_named(void **state)
{
    (void)state;
    static const char good[] = "server: 'https://h'";
    static const struct {
        const char *cluster, *user, *named;
    } cases[] = {
        {good, "exec: {command: aws}", "exec"},
        {good, "auth-provider: {name: gcp}", "auth-provider"},
        {good, "username: a, password: b", "username"},
        {good, "password: b", "password"},
        {good, "token: t, as: admin", "as"},
        {good, "token: t, as-groups: [a]", "as-groups"},
        {"server: 'https://h', insecure-skip-tls-verify: true", "token: t",
         "insecure-skip-tls-verify"},
        {"server: 'https://h', proxy-url: 'http://p'", "token: t", "proxy-url"},
        {"server: 'https://h', tls-server-name: x", "token: t", "tls-server-name"},
        {"server: 'http://h'", "token: t", "https://"},
        {"server: 'https://'", "token: t", "https://"},
        {"server: 'https://a@h'", "token: t", "https://"},
        {"server: \"https://h\\nx\"", "token: t", "https://"},
        {"server: 'https://h?x=1'", "token: t", "https://"},
        {"certificate-authority-data: UEVN", "token: t", "server"},
        {"server: 'https://h', certificate-authority-data: '!'", "token: t", "base64"},
        {"server: 'https://h', certificate-authority: /nowhere/ca.crt", "token: t",
         "certificate-authority"},
        {good, "", "neither token"},
        {good, "token: ''", "neither token"},
        {good, "token: \"a\\nb\"", "character"},
        {good, "client-certificate-data: UEVN", "go together"},
        {good, "client-key-data: UEVN", "go together"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct kube_access access;
        struct error err;
        assert_false(read_config(&arena, cases[i].cluster, cases[i].user, &access, &err));
        if (strstr(err.text, cases[i].named) == NULL) {
            fail_msg("%s, %s: %s", cases[i].cluster, cases[i].user, err.text);
        }
    }
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct kube_access access;
    struct error err;
    char text[4096];
    snprintf(text, sizeof(text), whole, "server: 'https://h'", "token: t");
    static const struct {
        const char *context, *named;
    } cases[] = {{"nope", "context 'nope'"}, {"other", "cluster 'nowhere'"}};
    for (size_t i = 0; i < 2; i++) {
        err = (struct error){0};
        assert_false(
            kube_access_read(&arena, slice_of(text), "/", cases[i].context, &access, &err));
        assert_non_null(strstr(err.text, cases[i].named));
    }
    err = (struct error){0};
    assert_false(kube_access_read(&arena, SLICE("{}"), "/", "", &access, &err));
    assert_non_null(strstr(err.text, "current-context"));
    assert_false(kube_access_read(&arena, SLICE("a: [b"), "/", "", &access, &err));
    assert_false(kube_access_open(&arena, "/nowhere/config", &access, &err));
}

static void a_pod_finds_its_server(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct kube_access access;
    struct error err = {0};
    char folder[] = "/tmp/kube-access-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_false(kube_access_of_pod(&arena, "10.96.0.1", "443", folder, &access, &err));
    assert_true(file_write(arena_printf(&arena, "%s/ca.crt", folder), SLICE("PEM"), 0600, &err));
    assert_true(
        file_write(arena_printf(&arena, "%s/namespace", folder), SLICE("homerun"), 0600, &err));
    assert_true(kube_access_of_pod(&arena, "10.96.0.1", "443", folder, &access, &err));
    assert_string_equal(access.server, "https://10.96.0.1:443");
    assert_string_equal(access.name_space, "homerun");
    assert_string_equal(access.token_file, arena_printf(&arena, "%s/token", folder));
    assert_true(kube_access_of_pod(&arena, "fd00::1", "443", folder, &access, &err));
    assert_string_equal(access.server, "https://[fd00::1]:443");
    unlink(arena_printf(&arena, "%s/ca.crt", folder));
    unlink(arena_printf(&arena, "%s/namespace", folder));
    rmdir(folder);
}

static void a_service_account_is_read_from_its_token(void **state)
{
    (void)state;
    auto_arena arena = {0};
    const char *of = "", *name = "";
    /* {"sub":"system:serviceaccount:homerun:control"}, and one that is no account's. */
    assert_true(kube_token_account(
        &arena, SLICE("e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6aG9tZXJ1bjpjb250cm9sIn0.c2ln"),
        &of, &name));
    assert_string_equal(of, "homerun");
    assert_string_equal(name, "control");
    static const char *const others[] = {
        "", "a", "a.b", "e30.e30.c2ln", "..", "e30.!!.c2ln", "e30.eyJzdWIiOiJhZG1pbiJ9.c2ln"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(kube_token_account(&arena, slice_of(others[i]), &of, &name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_and_a_ca_are_taken),
        cmocka_unit_test(what_is_not_taken_is_named),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_pod_finds_its_server),
        cmocka_unit_test(a_service_account_is_read_from_its_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
