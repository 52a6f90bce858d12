/* What every container is born with, whatever its image says: a wall that is taken out shows here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "base/file.h"
#include "engine/bundle.h"
#include "engine/container.h"
#include "engine/egress_way.h"
#include "engine/environment.h"
#include "engine/platform.h"
#include "engine/seccomp_calls.h"

static const char *const words[] = {"/bin/serve", "--all", NULL};
static const char *const variables[] = {"PORT=8080", NULL};

static json_t *a_config_where(bool held, int64_t memory_bytes, int64_t cpu_m)
{
    const struct namespaces namespaces = {.user_fd = 11, .net_fd = 12, .first = 0x80010000};
    const struct cgroups groups = {.held = held, .path = "/homerun"};
    const struct bundle bundle = {.dir = "/run/x",
                                  .id = "id-0",
                                  .argv = words,
                                  .env = variables,
                                  .cwd = "/srv",
                                  .uid = 7,
                                  .gid = 8,
                                  .namespaces = &namespaces,
                                  .groups = &groups,
                                  .memory_bytes = memory_bytes,
                                  .cpu_m = cpu_m};
    return bundle_config(&bundle);
}

static json_t *a_config(int64_t memory_bytes, int64_t cpu_m)
{
    return a_config_where(true, memory_bytes, cpu_m);
}

static void every_wall_is_in_the_configuration(void **state)
{
    (void)state;
    static const char *const kinds[] = {"pid", "mount", "uts", "ipc", "user", "network", "cgroup"};
    auto_json *config = a_config(64 << 20, 500);
    assert_non_null(config);
    assert_true(json_flag(config, "process.noNewPrivileges", false));
    assert_false(json_flag(config, "process.terminal", true));
    assert_int_equal(json_object_size(json_at(config, "process.capabilities")), 0);
    assert_true(json_is_object(json_at(config, "process.capabilities")));
    assert_int_equal(json_number(config, "process.user.uid", 0), 7);
    const json_t *namespaces = json_at(config, "linux.namespaces");
    assert_int_equal(json_array_size(namespaces), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(json_text_or(json_array_get(namespaces, i), "type", ""), kinds[i]);
    }
    const char *maps[] = {"linux.uidMappings", "linux.gidMappings"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *map = json_at(config, maps[i]);
        assert_int_equal(json_array_size(map), 1);
        const json_t *row = json_array_get(map, 0);
        assert_int_equal(json_number(row, "containerID", -1), 0);
        assert_int_equal(json_number(row, "hostID", 0), 0x80010000);
        assert_int_equal(json_number(row, "size", 0), 65536);
    }
    assert_int_equal(json_number(config, "linux.resources.memory.limit", 0), 64 << 20);
    assert_int_equal(json_number(config, "linux.resources.cpu.quota", 0), 50000);
    assert_true(json_number(config, "linux.resources.pids.limit", 0) > 0);
    assert_string_equal(json_text_or(config, "linux.seccomp.defaultAction", ""), "SCMP_ACT_ERRNO");
    assert_true(json_array_size(json_at(config, "linux.maskedPaths")) >= 8);
    assert_true(json_array_size(json_at(config, "linux.readonlyPaths")) >= 4);
    auto_json *open = a_config(0, 0); /* without limits there is still one of processes */
    assert_true(json_number(open, "linux.resources.pids.limit", 0) > 0);
}

static void what_breaks_walls_is_on_no_list(void **state)
{
    (void)state;
    static const char *const never[] = {"mount",
                                        "umount2",
                                        "pivot_root",
                                        "setns",
                                        "unshare",
                                        "clone",
                                        "clone3",
                                        "bpf",
                                        "ptrace",
                                        "keyctl",
                                        "add_key",
                                        "request_key",
                                        "userfaultfd",
                                        "io_uring_setup",
                                        "io_uring_enter",
                                        "perf_event_open",
                                        "init_module",
                                        "finit_module",
                                        "delete_module",
                                        "kexec_load",
                                        "kexec_file_load",
                                        "open_by_handle_at",
                                        "name_to_handle_at",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "kcmp",
                                        "pidfd_getfd",
                                        "mknod",
                                        "mknodat",
                                        "swapon",
                                        "reboot",
                                        "settimeofday",
                                        "clock_settime",
                                        "adjtimex",
                                        "sethostname",
                                        "setdomainname",
                                        "syslog",
                                        "acct",
                                        "quotactl",
                                        "fanotify_init",
                                        "fsopen",
                                        "fsmount",
                                        "move_mount",
                                        "open_tree",
                                        "mount_setattr",
                                        "iopl",
                                        "ioperm",
                                        "vhangup",
                                        "socket",
                                        "personality",
                                        "nfsservctl",
                                        "lookup_dcookie"};
    for (size_t i = 0; seccomp_calls[i] != NULL; i++) {
        for (size_t j = 0; j < sizeof(never) / sizeof(never[0]); j++) {
            if (strcmp(seccomp_calls[i], never[j]) == 0) {
                fail_msg("%s is allowed without conditions", never[j]);
            }
        }
        assert_true(i == 0 || strcmp(seccomp_calls[i - 1], seccomp_calls[i]) < 0);
    }
}

static bool has(const char *const *list, const char *pair)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], pair) == 0) {
            return true;
        }
    }
    return false;
}

static void a_deployments_variables_are_over_the_images_and_under_the_contracts(void **state)
{
    (void)state;
    auto_arena arena = {0};
    static const char *const image[] = {"PATH=/image", "COLOUR=red",      "SIZE=big",
                                        "PORT=1",      "K_SERVICE=image", NULL};
    static const struct run_pair pairs[] = {
        {"SIZE", "small"}, {"PORT", "2"}, {"K_REVISION", "mine"}};
    struct run_record record = {.service = "s", .revision = "r"};
    static const char *const secret_names[] = {"PASSWORD", "K_SERVICE", NULL};
    record.containers[0] =
        (struct run_container){.dir = "", .env = pairs, .env_count = 3, .secret_env = secret_names};
    struct secret smuggled = {.name = "UNASKED", .value = SLICE("x")};
    struct secret ours = {.name = "K_SERVICE", .value = SLICE("x"), .next = &smuggled};
    struct secret others = {.container = 1, .name = "PASSWORD", .value = SLICE("y"), .next = &ours};
    struct secret password = {.name = "PASSWORD", .value = SLICE("secret"), .next = &others};
    struct secrets secrets = {.first = &password};
    struct backend_order order = {
        .record = &record, .container = &record.containers[0], .secrets = &secrets, .port = 8080};
    const char *const *env = environment_of(&arena, &order, image);
    static const char *const there[] = {"PATH=/image",       "COLOUR=red",  "SIZE=small",
                                        "PORT=8080",         "K_SERVICE=s", "K_REVISION=r",
                                        "K_CONFIGURATION=s", "HOME=/home",  "PASSWORD=secret"};
    static const char *const gone[] = {"SIZE=big",        "PORT=1",          "PORT=2",
                                       "K_SERVICE=image", "K_REVISION=mine", "PASSWORD=y",
                                       "UNASKED=x",       "K_SERVICE=x"};
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        assert_true(has(env, there[i]));
    }
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_false(has(env, gone[i]));
    }
    order.port = 0; /* a sidecar has a PORT if it was given one */
    env = environment_of(&arena, &order, image);
    assert_true(has(env, "PORT=2"));
    assert_false(has(env, "PORT=8080"));
}

static void without_control_groups_processes_are_limited_one_by_one(void **state)
{
    (void)state;
    auto_json *config = a_config_where(false, 64 << 20, 500);
    assert_null(json_at(config, "linux.resources"));
    assert_null(json_at(config, "linux.cgroupsPath"));
    const json_t *row = json_array_get(json_at(config, "process.rlimits"), 0);
    assert_string_equal(json_text_or(row, "type", ""), "RLIMIT_NPROC");
    assert_int_equal(json_number(row, "hard", 0), 1024);
    assert_int_equal(json_number(row, "soft", 0), 1024);
    row = json_array_get(json_at(config, "process.rlimits"), 1);
    assert_string_equal(json_text_or(row, "type", ""), "RLIMIT_DATA");
    assert_int_equal(json_number(row, "hard", 0), INT64_C(4) << 30);
    auto_json *held = a_config(64 << 20, 500);
    assert_null(json_at(held, "process.rlimits"));
    assert_string_equal(json_text_or(held, "linux.cgroupsPath", ""), "/homerun/id-0");
}

static bool has_words(const char *const *list, const char *first, const char *second)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], first) == 0 &&
            (second == NULL || (list[i + 1] != NULL && strcmp(list[i + 1], second) == 0))) {
            return true;
        }
    }
    return false;
}

/* What is not installed here cannot be found; then its name is in the sentence. */
static const struct egress_way *a_way(const char *name)
{
    char path[4096];
    struct error err;
    const struct egress_way *way = egress_way_find(name, path, &err);
    assert_true(way != NULL || strstr(err.text, name) != NULL);
    assert_true(way == NULL || strcmp(way->name, name) == 0);
    return way;
}

static void no_way_out_leads_to_the_loopback_of_this_machine(void **state)
{
    static const char *const ports[] = {"--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"};
    const struct egress_way *slirp4netns = a_way("slirp4netns"), *pasta = a_way("pasta");
    char path[4096];
    struct error err;
    (void)state;
    if (slirp4netns != NULL) {
        assert_true(has_words(slirp4netns->arguments, "--disable-host-loopback", NULL));
        assert_true(has_words(slirp4netns->arguments, "--enable-sandbox", NULL));
        assert_true(has_words(slirp4netns->arguments, "--enable-seccomp", NULL));
    }
    if (pasta != NULL) {
        assert_true(has_words(pasta->arguments, "--no-map-gw", NULL));
        assert_true(has_words(pasta->arguments, "--ipv4-only", NULL));
        assert_true(has_words(pasta->arguments, "--address", EGRESS_ADDRESS));
        for (size_t i = 0; i < 4; i++) {
            assert_true(has_words(pasta->arguments, ports[i], "none"));
        }
    }
    const struct egress_way *any = egress_way_find("auto", path, &err);
    assert_ptr_equal(any, slirp4netns != NULL ? slirp4netns : pasta);
    assert_null(egress_way_find("something else", path, &err));
}

static void platforms_are_named_for_who_finds_none_that_fits(void **state)
{
    auto_arena arena = {0};
    struct error err;
    (void)state;
    auto_json *index = json_pack("{s[{s{ssss}}{s{ssssss}}{s{ssss}}{ss}]}", "manifests", "platform",
                                 "os", "linux", "architecture", "sparc", "platform", "os", "linux",
                                 "architecture", "mips", "variant", "v2", "platform", "os",
                                 "unknown", "architecture", "unknown", "digest", "sha256:0");
    assert_non_null(
        strstr(platform_missing(&arena, index), "there are: linux/sparc, linux/mips/v2"));
    assert_null(strstr(platform_missing(&arena, index), "unknown"));
    assert_non_null(strstr(platform_missing(&arena, NULL), "there is no other"));
    auto_json *foreign = json_pack("{ssss}", "os", "linux", "architecture", "sparc");
    auto_json *other = json_pack("{ssss}", "os", "windows", "architecture", "amd64");
    auto_json *silent = json_object();
    assert_false(platform_fits(foreign, &err));
    assert_non_null(strstr(err.text, "it is for linux/sparc, and this machine is linux/"));
    assert_false(platform_fits(other, &err));
    assert_true(platform_fits(silent, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_control_groups_processes_are_limited_one_by_one),
        cmocka_unit_test(no_way_out_leads_to_the_loopback_of_this_machine),
        cmocka_unit_test(platforms_are_named_for_who_finds_none_that_fits),
        cmocka_unit_test(every_wall_is_in_the_configuration),
        cmocka_unit_test(what_breaks_walls_is_on_no_list),
        cmocka_unit_test(a_deployments_variables_are_over_the_images_and_under_the_contracts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
