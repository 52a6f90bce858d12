#include "control/front/connect.h"

#include "control/front/tls_leaf.h"
#include "http/url.h"

enum { HTTPS_PORT = 443 };

bool connect_open(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    if (control->settings.connect == 0) {
        tls_leaf_forget_google(control);
        return true;
    }
    if (!tls_leaf_google(control, err)) {
        return false;
    }
    struct net_certificate certificate = {
        .chain_file = settings_path(&control->settings, &arena, "tls/google.pem"),
        .key_file = settings_path(&control->settings, &arena, "tls/google.key"),
    };
    control->connect_tls = net_tls_new(&certificate, 1, true, NULL, err);
    return control->connect_tls != NULL;
}

void connect_close(struct control *control)
{
    net_tls_free(control->connect_tls);
    control->connect_tls = NULL;
}

bool connect_host(struct slice host)
{
    struct slice suffix = SLICE(".googleapis.com");
    return slice_is(host, "accounts.google.com") ||
           (slice_ends(host, suffix) && host.len > suffix.len &&
            slice_find(slice_upto(host, host.len - suffix.len), '.') < 0);
}

bool connect_take(struct control *control, struct exchange *exchange, struct error *err)
{
    auto_arena arena = {0};
    struct slice host = SLICE_NONE;
    uint16_t port = 0;
    bool named = url_authority(&arena, exchange_request(exchange)->authority, &host, &port);
    if (control->connect_tls == NULL) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "This listener is Homerun's API, not a proxy: CONNECT is refused. "
                         "`homerun up --connect` makes it stand in for *.googleapis.com.");
    }
    if (!named || port != HTTPS_PORT || !connect_host(host)) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "%.*s:%u is not served here: CONNECT leads to *.googleapis.com:443 alone, "
                         "and nothing is passed on. Name other hosts in NO_PROXY.",
                         (int)(host.len < 100 ? host.len : 100), host.len > 0 ? host.data : "",
                         port);
    }
    return exchange_start_tls(exchange, control->connect_tls) ||
           error_set(err, STATUS_INVALID_ARGUMENT,
                     "CONNECT is taken by HTTP/1.x in the clear alone, and without content.");
}
