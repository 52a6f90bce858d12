/* From flags and a configuration file to what the supervisor is told; and edits of services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/service_edit.h"
#include "cli/up_plan.h"

enum { WORDS_MAX = 32 };

static char line_copy[1024];
static struct cli cli;
static struct error err;
static struct supervisor_plan plan;

static int fresh(void **state)
{
    (void)state;
    memset(&cli, 0, sizeof(cli));
    err = (struct error){0};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_done(&cli.arena);
    return 0;
}

static void typed(const char *line)
{
    char *words[WORDS_MAX];
    int count = 0;
    snprintf(line_copy, sizeof(line_copy), "%s", line);
    for (char *word = strtok(line_copy, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    assert_true(invocation_parse(&cli.in, count, words, &err));
}

static void without_flags_the_defaults_of_the_manual_hold(void **state)
{
    (void)state;
    typed("up");
    assert_true(up_plan_make(&cli, &plan, &err));
    assert_string_equal(plan.api, "127.0.0.1:8080");
    assert_string_equal(plan.https, "127.0.0.1:8443");
    assert_string_equal(plan.http, "127.0.0.1:8081");
    assert_string_equal(plan.settings.domain, "run.localhost");
    assert_string_equal(plan.settings.project, "demo");
    assert_string_equal(plan.settings.region, "us-central1");
    assert_string_equal(plan.settings.engine, "auto");
    assert_string_equal(plan.settings.store, "sqlite");
    assert_int_equal(plan.settings.idle_s, 900);
    assert_in_range(plan.settings.workers, 1, 8);
    assert_true(slice_ends(slice_of(plan.settings.data), SLICE("/data")));
    assert_int_equal(plan.settings.data[0], '/');
}

static void lists_are_joined_and_checked_one_by_one(void **state)
{
    (void)state;
    typed("up --internal 10.0.0.0/8,192.168.0.0/16 --internal=fd00::/8");
    assert_true(up_plan_make(&cli, &plan, &err));
    assert_string_equal(plan.settings.internal, "10.0.0.0/8,192.168.0.0/16,fd00::/8");
    typed("up --internal=10.0.0.0/8,fd00::/129");
    assert_false(up_plan_make(&cli, &plan, &err));
    assert_non_null(strstr(err.text, "fd00::/129"));
}

static void values_that_cannot_be_are_refused(void **state)
{
    static const char *const lines[] = {
        "up --api=8080",
        "up --https=1.2.3.4:70000",
        "up --project=Demo",
        "up --project=de",
        "up --region=US",
        "up --domain=a..b",
        "up --organization=acme",
        "up --trusted-proxy=proxy",
        "up --idle=99999999999",
        "up --domain=-x",
        "up --tls-certificate=a.pem",
        "up --api-url=homerun.example.com",
        "up --api-url=ftp://homerun.example.com",
        "up --api-url=https://homerun.example.com/",
        "up --api-url=https://",
        "up --api-url=https://homerun.example.com:0",
        "up --api-url=https://homerun.example.com:65536",
        "up --api-url=https://homerun.example.com:443:443",
        "up --api-url=https://user@homerun.example.com",
        "up --api-url=https://Homerun.example.com",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        typed(lines[i]);
        if (up_plan_make(&cli, &plan, &err)) {
            fail_msg("taken: %s", lines[i]);
        }
    }
}

static void the_api_may_have_another_url_for_clients(void **state)
{
    static const char *const urls[] = {"https://homerun.example.com", "http://10.0.0.5:8080",
                                       "https://homerun.example.com:65535", "http://localhost:1"};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "up --api-url=%s", urls[i]);
        typed(line);
        if (!up_plan_make(&cli, &plan, &err)) {
            fail_msg("%s: %s", urls[i], err.text);
        }
        assert_string_equal(plan.settings.public_url, urls[i]);
        arena_done(&cli.arena);
        fresh(NULL);
    }
}

static bool with_config(const char *text, const char *flags)
{
    char path[] = "/tmp/homerun-test-XXXXXX", line[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    snprintf(line, sizeof(line), "up --config=%s %s", path, flags);
    typed(line);
    bool good = up_plan_make(&cli, &plan, &err);
    unlink(path);
    return good;
}

static void a_configuration_file_says_what_flags_say_and_flags_win(void **state)
{
    (void)state;
    assert_true(with_config("project: abcd\nregion: europe-west1\nplain: true\nidle: 7\n"
                            "internal: [10.0.0.0/8, 'fd00::/8']\nstrict-paths: false\n",
                            "--region=us-east1"));
    assert_string_equal(plan.settings.project, "abcd");
    assert_string_equal(plan.settings.region, "us-east1");
    assert_int_equal(plan.settings.plain, 1);
    assert_int_equal(plan.settings.strict_paths, 0);
    assert_int_equal(plan.settings.idle_s, 7);
    assert_string_equal(plan.settings.internal, "10.0.0.0/8,fd00::/8");
    assert_true(with_config("{\"project\": \"abcd\"}", ""));
}

static void a_wrong_entry_of_the_file_is_named(void **state)
{
    static const char *const rows[][2] = {
        {"porject: abcd", "did you mean \"project\"?"},
        {"config: other.yaml", "no setting \"config\""},
        {"plain: yes please", "plain"},
        {"idle: [1, 2]", "not a list"},
        {"idle: soon", "no number"},
        {"project: {a: 1}", "wrong kind"},
        {"engine: xen", "auto|process"},
        {"- a", "not names and values"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(with_config(rows[i][0], ""));
        if (strstr(err.text, rows[i][1]) == NULL) {
            fail_msg("\"%s\" is not in: %s", rows[i][1], err.text);
        }
    }
}

/* ---- services ---- */

static json_t *edited(const char *line, const char *before, bool is_new)
{
    typed(line);
    json_t *doc = json_read(slice_of(before), &err);
    assert_non_null(doc);
    assert_true(service_edit(&cli, "hello", doc, is_new, &err));
    return doc;
}

static void flags_in_gclouds_words_change_the_document(void **state)
{
    (void)state;
    auto_json *doc = edited("deploy hello --image=i --no-invoker-iam-check --ingress=internal "
                            "--port=9000 --timeout=5m --concurrency=default --max-instances=3 "
                            "--set-env-vars=A=1,B=x=y --labels=k=v --cpu=500m --iap",
                            "{}", true);
    assert_string_equal(json_text(doc, "template.containers[0].image"), "i");
    assert_true(json_flag(doc, "invokerIamDisabled", false));
    assert_true(json_flag(doc, "iapEnabled", false));
    auto_json *off = edited("services update hello --no-iap", "{\"iapEnabled\":true}", false);
    assert_false(json_flag(off, "iapEnabled", false));
    assert_string_equal(json_text(doc, "ingress"), "INGRESS_TRAFFIC_INTERNAL_ONLY");
    assert_int_equal(json_number(doc, "template.containers[0].ports[0].containerPort", 0), 9000);
    assert_string_equal(json_text(doc, "template.timeout"), "300s");
    assert_null(json_at(doc, "template.maxInstanceRequestConcurrency"));
    assert_int_equal(json_number(doc, "template.scaling.maxInstanceCount", 0), 3);
    assert_string_equal(json_text(doc, "template.containers[0].env[1].value"), "x=y");
    assert_string_equal(json_text(doc, "template.labels.k"), "v");
    assert_string_equal(json_text(doc, "labels.k"), "v");
    assert_string_equal(json_text(doc, "template.containers[0].resources.limits.cpu"), "500m");
}

static void variables_are_changed_one_by_one(void **state)
{
    (void)state;
    auto_json *doc = edited("services update hello --update-env-vars=B=3,C=4 --remove-env-vars=A",
                            "{\"template\":{\"containers\":[{\"env\":[{\"name\":\"A\",\"value\":"
                            "\"1\"},{\"name\":\"B\",\"value\":\"2\"}]}]}}",
                            false);
    auto_json *want = json_read(SLICE("[{\"name\":\"B\",\"value\":\"3\"},"
                                      "{\"name\":\"C\",\"value\":\"4\"}]"),
                                &err);
    assert_true(json_same(json_at(doc, "template.containers[0].env"), want));
}

static void a_revision_without_traffic_pins_what_was_the_latest(void **state)
{
    (void)state;
    auto_json *doc = edited("deploy hello --no-traffic --tag=next --revision-suffix=v2",
                            "{\"latestReadyRevision\":\"projects/p/locations/l/services/hello/"
                            "revisions/hello-v1\",\"template\":{\"revision\":\"hello-v1\"}}",
                            false);
    assert_string_equal(json_text(doc, "traffic[0].revision"), "hello-v1");
    assert_int_equal(json_number(doc, "traffic[0].percent", 0), 100);
    assert_string_equal(json_text(doc, "traffic[1].revision"), "hello-v2");
    assert_string_equal(json_text(doc, "traffic[1].tag"), "next");
    assert_string_equal(json_text(doc, "template.revision"), "hello-v2");
}

static void traffic_is_split_and_tags_stay(void **state)
{
    (void)state;
    typed("services update-traffic hello --to-revisions=a=30,LATEST=70 --update-tags=t=b");
    auto_json *doc = json_read(
        SLICE("{\"traffic\":[{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\",\"percent\":100},"
              "{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\",\"revision\":\"a\","
              "\"tag\":\"s\"}]}"),
        &err);
    assert_true(traffic_edit(&cli, doc, &err));
    assert_int_equal(json_array_size(json_at(doc, "traffic")), 4);
    assert_string_equal(json_text(doc, "traffic[0].revision"), "a");
    assert_int_equal(json_number(doc, "traffic[1].percent", 0), 70);
    assert_string_equal(json_text(doc, "traffic[2].tag"), "s");
    assert_string_equal(json_text(doc, "traffic[3].revision"), "b");
    typed("services update-traffic hello --to-revisions=a=30");
    assert_false(traffic_edit(&cli, doc, &err));
    assert_non_null(strstr(err.text, "30 together"));
}

/* What a mounted Secret looks like: the link is exchanged when the Secret changes. */
static void files_that_are_links_keep_their_names(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-plan-XXXXXX", file[64], name[64], here[256], line[512];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/now", dir);
    snprintf(name, sizeof(name), "%s/name", dir);
    assert_true(file_write(file, SLICE("x"), 0600, &err));
    assert_int_equal(symlink("now", name), 0);
    snprintf(line, sizeof(line),
             "up --cluster --store=postgresql://db/r --engine=kubernetes --kubeconfig=%s "
             "--cluster-key=%s",
             name, name);
    typed(line);
    assert_true(up_plan_make(&cli, &plan, &err));
    assert_string_equal(plan.settings.cluster_key, name);
    assert_string_equal(plan.settings.kubeconfig, name);
    arena_done(&cli.arena);
    fresh(NULL);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(dir), 0);
    typed("up --cluster --store=postgresql://db/r --cluster-key=name");
    assert_true(up_plan_make(&cli, &plan, &err));
    assert_string_equal(plan.settings.cluster_key, name);
    arena_done(&cli.arena);
    fresh(NULL);
    typed("up --cluster --store=postgresql://db/r --cluster-key=none");
    assert_false(up_plan_make(&cli, &plan, &err));
    assert_non_null(strstr(err.text, "--cluster-key: none"));
    assert_int_equal(chdir(here), 0);
    unlink(name);
    unlink(file);
    rmdir(dir);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, fresh, finish)
    const struct CMUnitTest tests[] = {
        FRESH(files_that_are_links_keep_their_names),
        FRESH(the_api_may_have_another_url_for_clients),
        FRESH(without_flags_the_defaults_of_the_manual_hold),
        FRESH(lists_are_joined_and_checked_one_by_one),
        FRESH(values_that_cannot_be_are_refused),
        FRESH(a_configuration_file_says_what_flags_say_and_flags_win),
        FRESH(a_wrong_entry_of_the_file_is_named),
        FRESH(flags_in_gclouds_words_change_the_document),
        FRESH(variables_are_changed_one_by_one),
        FRESH(a_revision_without_traffic_pins_what_was_the_latest),
        FRESH(traffic_is_split_and_tags_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
