/* Names, hosts, URLs, versions and quantities. */
#include "model/quantity.h"
#include "model/service_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct service_view view = {
    .project = "demo",
    .project_number = "123456789012",
    .region = "us-central1",
    .name = "hello",
    .domain = "run.localhost",
    .https_port = 8443,
};

static void names_follow_cloud_runs_alphabet_and_length(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"hello", true},
        {"a", true},
        {"a1-b2", true},
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw", true}, /* 49 */
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx", false},
        {"", false},
        {"1a", false},
        {"-a", false},
        {"a-", false},
        {"Hello", false},
        {"a_b", false},
        {"a.b", false},
        {"a/b", false},
        {"a--b", true},
        {"a---b", false}, /* the host of the tag a of b */
        {"a----b", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(service_name_valid(slice_of(cases[i].name), NULL), cases[i].good);
    }
}

static void a_tag_never_holds_three_dashes(void **state)
{
    (void)state;
    assert_true(tag_valid(SLICE("green"), NULL));
    assert_true(tag_valid(SLICE("a--b"), NULL));
    assert_false(tag_valid(SLICE("a---b"), NULL));
    assert_false(tag_valid(SLICE("Green"), NULL));
    assert_false(tag_valid(SLICE(""), NULL));
}

static void a_revision_begins_with_its_service(void **state)
{
    (void)state;
    assert_true(revision_name_valid(SLICE("hello"), SLICE("hello-00001-abc"), NULL));
    assert_true(revision_name_valid(SLICE("hello"), SLICE("hello-v9"), NULL));
    assert_false(revision_name_valid(SLICE("hello"), SLICE("hello"), NULL));
    assert_false(revision_name_valid(SLICE("hello"), SLICE("hello-"), NULL));
    assert_false(revision_name_valid(SLICE("hello"), SLICE("hellox-v9"), NULL));
    assert_false(revision_name_valid(SLICE("hello"), SLICE("other-v9"), NULL));
}

static void a_host_names_tag_service_number_region_and_domain(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_string_equal(arena_string(&arena, service_host(&arena, &view, SLICE(""))),
                        "hello-123456789012.us-central1.run.localhost");
    assert_string_equal(arena_string(&arena, service_url(&arena, &view, SLICE("green"))),
                        "https://green---hello-123456789012.us-central1.run.localhost:8443");
    struct service_view standard = view;
    standard.https_port = 443;
    assert_string_equal(arena_string(&arena, service_url(&arena, &standard, SLICE(""))),
                        "https://hello-123456789012.us-central1.run.localhost");
}

static void a_long_label_is_cut_and_stays_unique(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct service_view one = view, other = view;
    one.name = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv1";
    other.name = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv2";
    struct slice tag = SLICE("green");
    struct slice a = service_host(&arena, &one, tag), b = service_host(&arena, &other, tag);
    assert_true(slice_find(a, '.') <= 63);
    assert_true(slice_starts(a, SLICE("green---abcdefghij")));
    assert_false(slice_equal(a, b));
    assert_true(slice_equal(a, service_host(&arena, &one, tag)));
    /* Without a tag it has 62 characters: nothing is lost. */
    assert_true(slice_starts(service_host(&arena, &one, SLICE("")), slice_of(one.name)));
}

static void a_service_has_a_second_host_without_its_number(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice hosts[SERVICE_HOSTS_MAX], others[SERVICE_HOSTS_MAX], far[SERVICE_HOSTS_MAX];
    assert_int_equal(service_hosts(&arena, &view, SLICE(""), hosts), 2);
    assert_true(slice_equal(hosts[0], service_host(&arena, &view, SLICE(""))));
    assert_true(slice_starts(hosts[1], SLICE("hello-")));
    assert_true(slice_ends(hosts[1], SLICE("-uc.a.run.localhost")));
    assert_int_equal(hosts[1].len, strlen("hello-0123456789-uc.a.run.localhost"));
    struct service_view elsewhere = view;
    elsewhere.project_number = "123456789013"; /* another project, and another region */
    assert_int_equal(service_hosts(&arena, &elsewhere, SLICE(""), others), 2);
    assert_false(slice_equal(hosts[1], others[1]));
    elsewhere = view;
    elsewhere.region = "mars-west1";
    assert_int_equal(service_hosts(&arena, &elsewhere, SLICE(""), far), 2);
    assert_false(slice_starts(far[1], slice_upto(hosts[1], 16)));
    assert_int_equal(service_hosts(&arena, &view, SLICE("green"), hosts), 2);
    assert_true(slice_starts(hosts[1], SLICE("green---hello-")));
}

static void a_name_of_49_characters_fits_and_a_tag_before_it_does_not(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice hosts[SERVICE_HOSTS_MAX];
    struct service_view one = view;
    one.name = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv1";
    assert_int_equal(service_hosts(&arena, &one, SLICE(""), hosts), 2);
    assert_int_equal(slice_find(hosts[1], '.'), 63);
    assert_int_equal(service_hosts(&arena, &one, SLICE("t"), hosts), 1);
}

static void a_tag_that_leaves_no_room_does_not_fit(void **state)
{
    (void)state;
    assert_true(service_tag_fits(&view, SLICE("green")));
    assert_true(service_tag_fits(&view, SLICE("")));
    assert_false(
        service_tag_fits(&view, SLICE("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz")));
}

static void a_version_comes_back_from_its_text(void **state)
{
    (void)state;
    static const int64_t versions[] = {0, 1, 255, 256, 123456789, (int64_t)1 << 40};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        auto_arena arena = {0};
        int64_t back = -1;
        struct slice text = version_text(&arena, versions[i]);
        assert_true(slice_starts(text, SLICE("AAY")));
        assert_true(version_read(text, &back));
        assert_int_equal(back, versions[i]);
    }
    int64_t untouched = 7;
    assert_false(version_read(SLICE("abc"), &untouched));
    assert_false(version_read(SLICE(""), &untouched));
    assert_false(version_read(SLICE("////////////"), &untouched));
    assert_int_equal(untouched, 7);
}

static void quantities_are_exact(void **state)
{
    (void)state;
    int64_t n;
    assert_true(quantity_cpu(SLICE("1"), &n) && n == 1000);
    assert_true(quantity_cpu(SLICE("1000m"), &n) && n == 1000);
    assert_true(quantity_cpu(SLICE("0.5"), &n) && n == 500);
    assert_true(quantity_cpu(SLICE(".08"), &n) && n == 80);
    assert_false(quantity_cpu(SLICE("0.0001"), &n));
    assert_false(quantity_cpu(SLICE("-1"), &n));
    assert_false(quantity_cpu(SLICE("m"), &n));
    assert_false(quantity_cpu(SLICE("1Mi"), &n));
    assert_true(quantity_bytes(SLICE("512Mi"), &n) && n == (int64_t)512 << 20);
    assert_true(quantity_bytes(SLICE("1.5Gi"), &n) && n == (int64_t)1536 << 20);
    assert_true(quantity_bytes(SLICE("1G"), &n) && n == 1000000000);
    assert_false(quantity_bytes(SLICE("1Zi"), &n));
    assert_false(quantity_bytes(SLICE("99999999999999999999Gi"), &n));
    assert_false(quantity_bytes(SLICE(""), &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_cloud_runs_alphabet_and_length),
        cmocka_unit_test(a_tag_never_holds_three_dashes),
        cmocka_unit_test(a_revision_begins_with_its_service),
        cmocka_unit_test(a_host_names_tag_service_number_region_and_domain),
        cmocka_unit_test(a_long_label_is_cut_and_stays_unique),
        cmocka_unit_test(a_service_has_a_second_host_without_its_number),
        cmocka_unit_test(a_name_of_49_characters_fits_and_a_tag_before_it_does_not),
        cmocka_unit_test(a_tag_that_leaves_no_room_does_not_fit),
        cmocka_unit_test(a_version_comes_back_from_its_text),
        cmocka_unit_test(quantities_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
