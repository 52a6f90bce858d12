#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/image_rules.h"

static const char *const none[] = {NULL};
static const char *const program[] = {"sh", "-c", "serve", NULL};

static void what_loaders_and_interpreters_read_is_known(void **state)
{
    (void)state;
    static const char *const dangerous[] = {
        "PATH",
        "HOME",
        "IFS",
        "ENV",
        "BASH_ENV",
        "BASH_FUNC_ls%%",
        "SHELLOPTS",
        "PS4",
        "LD_PRELOAD",
        "LD_AUDIT",
        "LD_X",
        "GLIBC_TUNABLES",
        "GCONV_PATH",
        "LOCPATH",
        "NLSPATH",
        "MALLOC_CHECK_",
        "MALLOC_CONF",
        "ASAN_OPTIONS",
        "UBSAN_OPTIONS",
        "DYLD_INSERT_LIBRARIES",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONHOME",
        "PYTHONINSPECT",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "PERL5DB",
        "RUBYOPT",
        "RUBYLIB",
        "GEM_PATH",
        "BUNDLE_GEMFILE",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_EXTRA_CA_CERTS",
        "npm_config_prefix",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "CLASSPATH",
        "PHPRC",
        "LUA_PATH",
        "LUA_INIT",
        "TCLLIBPATH",
        "DOTNET_STARTUP_HOOKS",
        "CORECLR_PROFILER_PATH",
        "GODEBUG",
        "GIT_SSH_COMMAND",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "OPENSSL_CONF",
        "OPENSSL_MODULES",
        "SSLKEYLOGFILE",
        "XDG_CONFIG_HOME",
        "EDITOR",
        "GIT_PAGER",
        "QT_PLUGIN_PATH",
        "GTK_MODULES",
        "LIBRARY_PATH",
        "HOSTALIASES",
        "R_PROFILE",
        "ERL_FLAGS",
        "JULIA_LOAD_PATH",
        "KRB5_CONFIG",
    };
    static const char *const safe[] = {
        "COLOUR",      "DATABASE_URL", "NODE_ENV",   "RAILS_ENV",
        "TZ",          "LANG",         "LC_ALL",     "GOOGLE_CLOUD_PROJECT",
        "LOG_LEVEL",   "MY_PATH",      "TMPDIR",     "NODENAME",
        "ENVIRONMENT", "HOMEPAGE",     "path",       "PORT",
        "DEBUG",       "REDIS_URL",    "GOMAXPROCS", "R",
        "LD",          "PGHOST",       "JAVASCRIPT",
    };
    for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++) {
        if (image_env_reader(dangerous[i]) == NULL) {
            fail_msg("%s is thought to be safe", dangerous[i]);
        }
    }
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
        if (image_env_reader(safe[i]) != NULL) {
            fail_msg("%s is thought to be read by %s", safe[i], image_env_reader(safe[i]));
        }
    }
}

static enum image_part part_of(struct image_rules rules, const char *name, const char *argument,
                               const char *const *command)
{
    char why[640] = "";
    const char *const names[] = {name, NULL}, *const args[] = {argument, NULL};
    rules.env = rules.env == NULL ? none : rules.env;
    const struct image_ask ask = {
        .program = program, .command = command, .args = args, .env = names};
    enum image_part part = image_rules_check(&rules, &ask, why, sizeof(why));
    assert_int_equal(why[0] != '\0', part != IMAGE_FINE);
    return part;
}

static void a_registrant_decides_and_else_nothing_is_allowed(void **state)
{
    (void)state;
    static const char *const declared[] = {"MINE", "PATH", NULL};
    static const char *const other[] = {"sh", "-c", "serve", "more", NULL};
    static const char *const shorter[] = {"sh", NULL};
    const struct image_rules strict = {0}, safe = {.safe_env = true}, args = {.args = true},
                             named = {.env = declared}, ours = {.built_in = true};
    const struct {
        struct image_rules rules;
        const char *name, *argument;
        const char *const *command;
        enum image_part part;
    } cases[] = {
        {strict, NULL, NULL, none, IMAGE_FINE},
        {strict, NULL, NULL, program, IMAGE_FINE},
        {strict, NULL, NULL, other, IMAGE_COMMAND},
        {strict, NULL, NULL, shorter, IMAGE_COMMAND},
        {args, NULL, NULL, other, IMAGE_COMMAND},
        {ours, NULL, NULL, shorter, IMAGE_COMMAND},
        {strict, NULL, "", none, IMAGE_ARGS},
        {args, NULL, "-c", none, IMAGE_FINE},
        {ours, NULL, "-c", none, IMAGE_FINE},
        {strict, "COLOUR", NULL, none, IMAGE_ENV},
        {strict, "PORT", NULL, none, IMAGE_FINE},
        {safe, "COLOUR", NULL, none, IMAGE_FINE},
        {ours, "COLOUR", NULL, none, IMAGE_FINE},
        {named, "COLOUR", NULL, none, IMAGE_ENV},
        {named, "MINE", NULL, none, IMAGE_FINE},
        {named, "MINE2", NULL, none, IMAGE_ENV},
        {named, "PATH", NULL, none, IMAGE_FINE},
        {safe, "PATH", NULL, none, IMAGE_ENV},
        {ours, "PATH", NULL, none, IMAGE_FINE},
        {ours, "LD_PRELOAD", NULL, none, IMAGE_ENV},
        {ours, "GLIBC_TUNABLES", NULL, none, IMAGE_ENV},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (part_of(cases[i].rules, cases[i].name, cases[i].argument, cases[i].command) !=
            cases[i].part) {
            fail_msg("case %zu", i);
        }
    }
}

static void rules_come_out_of_an_image_and_of_its_record_alike(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    auto_json *image = json_read(
        SLICE(
            "{\"dir\":\"/d\",\"program\":[\"p\"],\"allowArgs\":true,\"listensWide\":true,"
            "\"allowEnv\":[\"A\",7],\"env\":[{\"name\":\"B\",\"value\":\"b\"},{\"name\":\"C\"}]}"),
        &err);
    auto_json *record = image_rules_record(image);
    const json_t *both[] = {image, record};
    assert_null(json_object_get(record, "program"));
    for (size_t i = 0; i < 2; i++) {
        struct image_rules rules = image_rules_read(&arena, both[i]);
        assert_true(rules.args && rules.listens_wide && !rules.safe_env && !rules.built_in);
        assert_string_equal(rules.env[0], "A");
        assert_string_equal(rules.env[1], "");
        assert_string_equal(rules.env[2], "B");
        assert_string_equal(rules.env[3], "C");
        assert_null(rules.env[4]);
    }
    struct image_rules nothing = image_rules_read(&arena, NULL);
    assert_false(nothing.args || nothing.safe_env || nothing.built_in || nothing.listens_wide);
    assert_null(nothing.env[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_loaders_and_interpreters_read_is_known),
        cmocka_unit_test(a_registrant_decides_and_else_nothing_is_allowed),
        cmocka_unit_test(rules_come_out_of_an_image_and_of_its_record_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
