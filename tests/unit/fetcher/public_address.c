/* Which addresses a question of a stranger's may lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "fetcher/public_address.h"

static void only_public_addresses_are_asked(void **state)
{
    static const struct {
        const char *address;
        bool is_public;
    } rows[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"9.255.255.255", true},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.128.0.0", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"192.0.1.0", true},
        {"198.20.0.0", true},
        {"223.255.255.255", true},
        {"2606:4700::1111", true},
        {"2a00:1450::1", true},
        {"2001:200::1", true},
        {"::ffff:8.8.8.8", true},
        {"0.0.0.0", false},
        {"10.1.2.3", false},
        {"100.64.0.1", false},
        {"100.127.255.255", false},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.0.0.1", false},
        {"192.0.2.1", false},
        {"192.168.1.1", false},
        {"198.18.0.1", false},
        {"198.19.255.255", false},
        {"198.51.100.1", false},
        {"203.0.113.1", false},
        {"224.0.0.1", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.0.0.1", false},
        {"::7f00:1", false},
        {"64:ff9b::7f00:1", false},
        {"100::1", false},
        {"fc00::1", false},
        {"fd12:3456::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"2001::1", false},
        {"2001:db8::1", false},
        {"2002:7f00:1::", false},
        {"3fff::1", false},
        {"4000::1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v4 = inet_pton(AF_INET, rows[i].address, &v4.sin_addr) == 1;
        const void *address = is_v4 ? (const void *)&v4 : (const void *)&v6;
        assert_true(is_v4 || inet_pton(AF_INET6, rows[i].address, &v6.sin6_addr) == 1);
        if (address_is_public(address) != rows[i].is_public) {
            fail_msg("%s", rows[i].address);
        }
    }
    const struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(address_is_public(&other));
    assert_false(address_is_public(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_public_addresses_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
