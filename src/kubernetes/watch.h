/*
 * A collection of the cluster, kept up with: listed, then watched from there on, and listed again
 * whenever the server has forgotten where we were, has ended the watch, or has been silent for
 * longer than its bookmarks would be.
 */
#pragma once

#include "kubernetes/client.h"

struct kube_watch; /* opaque */

struct kube_watch_events {
    /* An object that is there: of a list, or because it is new or has changed. */
    void (*on_object)(void *ctx, const json_t *object);
    void (*on_deleted)(void *ctx, const json_t *object);
    /*
     * A list begins, and is complete: an object that was not named between the two no longer
     * exists. A list that breaks off is begun again.
     */
    void (*on_list)(void *ctx);
    void (*on_listed)(void *ctx);
    /* The watch has failed for now and is tried again. WHY: a sentence. May be NULL. */
    void (*on_trouble)(void *ctx, const struct kube_answer *answer);
};

/* PATH: of the collection, without a query. SELECTOR of labels; "": all. Copied. */
struct kube_watch *kube_watch_new(struct kube_client *client, const char *path,
                                  const char *selector, const struct kube_watch_events *events,
                                  void *ctx);
/* NULL is fine. Not from within one of its events. */
void kube_watch_free(struct kube_watch *watch);
/* Whether the first list is complete. */
bool kube_watch_is_listed(const struct kube_watch *watch);
