/*
 * How processes talk: one list of messages, over SOCK_SEQPACKET pairs that the supervisor made. A
 * message is one packet, so it is never half read, and a pair outlives the process at either end:
 * the supervisor keeps both ends and hands the same one to a successor.
 */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "base/slice.h"

/* A packet holds the value of a secret, of up to 64 KiB, beside its names. */
enum { IPC_VERSION = 10, IPC_PACKET_MAX = 68 * 1024 };

enum process_role {
    PROCESS_SUPERVISOR,
    PROCESS_CONTROL,
    PROCESS_INGRESS,
    PROCESS_ENGINE,
    PROCESS_SIGNER,
    PROCESS_METADATA,
    PROCESS_FETCHER,
    PROCESS_ROLES,
};
const char *process_role_name(enum process_role role); /* "control" */

enum message_type {
    MSG_NONE,
    MSG_READY,          /* any → supervisor: I serve */
    MSG_DRAIN,          /* supervisor → any: finish what is open, then exit 0 */
    MSG_WORKER_GONE,    /* supervisor → engine, control: worker number died; its places and reader
                           slots can be given back */
    MSG_DEMAND,         /* ingress → engine: requests of a revision that wait for a place */
    MSG_START_FAILED,   /* engine → ingress: an instance of a revision could not start */
    MSG_CHECK_REVISION, /* control → engine: start an instance of a new revision and say how it went
                         */
    MSG_REVISION_STATE, /* engine → control: that, or a later change */
    MSG_REVISION_GONE,  /* control → engine: end the instances of a revision */
    MSG_CHANGED,        /* control → engine: the run index has news (scaling, idle) */
    MSG_UNKNOWN_KEY,    /* ingress → control: a token names a key that the index lacks */
    MSG_SIGN,           /* control → signer; ingress → signer, for the doors alone */
    MSG_SIGNED,         /* signer → the asker */
    MSG_WORKLOAD_ASK,   /* metadata → control: the account of a revision, or the default runtime
                           account, or a token of it */
    MSG_WORKLOAD_TOLD,  /* control → metadata: the answer */
    MSG_SOCKETS_ASK, /* ingress → engine: sockets inside the network of an instance are wanted */
    MSG_SOCKETS, /* engine → ingress: the connections that were asked for, as descriptors; none: the
                    instance has gone */
    MSG_LOG, /* supervisor → ingress, engine: its log was rotated; the descriptor is the new file's,
                for appending */
    MSG_DOOR, /* ingress → control: one end of a pair, for requests to hosts that are ours */
    MSG_ENGINE_STARTED,   /* engine → control, metadata, ingress: the engine was restarted: send
                             pending checks again, and forget the instances it announced */
    MSG_METADATA_STARTED, /* metadata → engine: tell me of every instance */
    MSG_METADATA_OPEN,    /* engine → metadata: a listening socket inside the network of an
                             instance, and what holds its address; or which user it is */
    MSG_METADATA_CLOSE,   /* engine → metadata: that instance has ended */
    MSG_INSIDE_WANTED,    /* ingress → engine: I run: tell me of every instance */
    MSG_INSIDE_OPEN,  /* engine → ingress: sockets inside the network of an instance, by which it
                         calls other services */
    MSG_INSIDE_CLOSE, /* engine → ingress: that instance has ended */
    MSG_LEAF,         /* control → ingress: the services' certificate: chain PEM, NUL, key PEM */
    MSG_SECRETS_ASK,  /* engine → control: an instance is about to start: what are its secrets? */
    MSG_SECRET,       /* control → engine: one of them */
    MSG_SECRETS_TOLD, /* control → engine: that was all, or why there are none */
    MSG_PLACES, /* engine → control: what this node keeps of a revision's instances, which other
                   nodes share, and what it lacks */
    MSG_PLACES_TOLD,     /* control → engine: what it holds of them now, and what others want */
    MSG_TENURE,          /* control → engine: what was held before this tenure is not */
    MSG_FETCHER_WANTED,  /* control → supervisor: start the fetcher, or end it */
    MSG_FETCHER_STARTED, /* fetcher → control: ask now; what a predecessor was asked stays without
                            an answer */
    MSG_FETCH,           /* control → fetcher: ask another server (ipc/fetch_message.h) */
    MSG_FETCHED,         /* fetcher → control: what it answered */
    MSG_TYPES,
};

struct message_head {
    uint16_t version;
    uint16_t type;
    uint32_t bytes; /* behind the head */
};

struct msg_worker_gone {
    uint32_t worker;
};
struct msg_demand {
    uint64_t revision_id;
    uint32_t worker;
    uint32_t waiting; /* now, in this worker; 0 when all are served */
};
struct msg_start_failed {
    uint64_t revision_id;
    uint32_t reason; /* enum start_failure */
};
enum start_failure {
    START_FAILED_EXIT,
    START_FAILED_PROBE,
    START_FAILED_LIMIT,
    START_FAILED_IMAGE,
    START_FAILED_SECRETS,
};
struct msg_revision {
    uint64_t revision_id;
};
enum revision_ready { REVISION_STARTED, REVISION_FAILED };
struct msg_revision_state {
    uint64_t revision_id;
    uint32_t state; /* enum revision_ready */
    uint32_t port;
    char text[1024]; /* why it failed: whole sentences for the user; else the digest of the image,
                        if the engine knows one; "" */
};
struct msg_unknown_key {
    char issuer[512];
    char kid[128];
};
/* Which kinds of content the signer signs for which process: see signer/. */
enum sign_kind {
    SIGN_ISSUER_JWT,   /* bytes = header.payload of an ID or access token; its header's kid is the
                          issuer's */
    SIGN_ACCOUNT_JWT,  /* bytes = account's sub, NUL, claims as JSON (checked by control); answer =
                          the whole JWT */
    SIGN_ACCOUNT_BLOB, /* bytes = account's sub, NUL, anything */
    SIGN_NEW_ACCOUNT_KEY, /* an RSA key pair for a user, not kept; answer = PKCS#8 PEM, NUL, SPKI in
                             base64, NUL, a certificate in PEM */
    SIGN_PUBLIC_KEYS,     /* answer = JWKS of the issuer, newest first */
    SIGN_LEAF,   /* a TLS leaf: bytes = names, comma-separated; answer = chain PEM, NUL, key PEM */
    SIGN_ROTATE, /* a new issuer key; the old one stays published until `forget`; answer = JWKS */
    SIGN_FORGET, /* bytes = kid: remove an issuer key (not the newest) on purpose; answer = JWKS */
    SIGN_ACCOUNT_KEY, /* bytes = account's sub, NUL: what SIGN_ACCOUNT_… signs with; answer = SPKI
                         in base64, NUL, a certificate in PEM */
    SIGN_SEAL, /* encrypts: bytes = a name, NUL, a value; answer = what may lie in the record */
    SIGN_OPEN, /* the way back: bytes = the same name, NUL, what SIGN_SEAL answered; answer = the
                  value */
    SIGN_DOOR_ASSERTION, /* ingress asks: bytes = claims, a JSON object; answer = the whole JWT, by
                            the doors' own key */
    SIGN_DOOR_KEYS,      /* answer = {"KID": "PEM"} of those keys, NUL, a JWK set of them */
    SIGN_WRAP,           /* answer = the keys of this node, for the record of a cluster: see
                            signer/wrap.h */
    SIGN_UNWRAP,         /* bytes = what SIGN_WRAP answered at some node: they become this node's;
                            answer = "newest", or "old": wrapped by another key than our first */
    SIGN_DERIVE, /* bytes = what for; answer = 32 bytes that follow from that and from the key
                    of secrets: the same on all nodes of a cluster */
};
struct msg_sign {
    uint64_t id; /* chosen by the asker */
    uint32_t kind;
    uint32_t bytes; /* behind this struct */
};
struct msg_signed {
    uint64_t id;
    uint32_t ok;
    uint32_t bytes; /* behind this struct: signature or document; a sentence if not ok */
    char kid[64];   /* of the key used */
};

/* What a metadata server asks about an account. */
enum workload_kind {
    WORKLOAD_ACCOUNT,  /* answer = its address */
    WORKLOAD_ACCESS,   /* content = scopes with spaces between, or none; answer = an access token */
    WORKLOAD_IDENTITY, /* content = audience; answer = an ID token */
};
enum { SOCKETS_MAX = 8 }; /* in one message */
struct msg_sockets_ask {
    uint32_t slot, generation; /* of the board */
    uint32_t count;
};
struct msg_sockets {
    uint32_t slot, generation;
    uint32_t count;
};
struct msg_workload_ask {
    uint64_t id;          /* chosen by the asker */
    uint64_t revision_id; /* whose account; 0: the default runtime account of the project */
    uint32_t kind;
    /* Followed by: the account as the caller named it ("" or "default" for the instance's own
     * account; any name but its address is STATUS_NOT_FOUND), the content, and the name of the
     * revision ("projects/P/locations/L/services/S/revisions/R"; none without a number). */
    uint32_t account_bytes, bytes, revision_bytes;
};
struct msg_workload_told {
    uint64_t id;
    uint32_t status;  /* enum status: anything but STATUS_OK goes with a sentence */
    uint32_t seconds; /* that a token is good for */
    uint32_t bytes;   /* behind this struct */
};
enum { WORKLOAD_BYTES_MAX = 4096, REVISION_NAME_MAX = 512 }; /* of an audience, or of scopes */
struct msg_metadata_open {
    uint64_t revision_id;
    char instance[41];
    char revision[REVISION_NAME_MAX]; /* its name, from "projects/" on */
    char project[64], project_number[32], region[64];
    uint32_t user; /* without a socket: requests of this user at this machine's socket are the
                      instance's */
};
struct msg_metadata_close {
    char instance[41];
};
/* It comes with a listening socket, a UDP socket for DNS questions, and other descriptors that must
 * stay open for them. */
struct msg_inside_open {
    char instance[41];
    char project[64]; /* its ID */
};
struct msg_inside_close {
    char instance[41];
};

/*
 * Values of secrets, for one instance. Control decides by its own record which ones a revision has,
 * and asks for the rights of its account at the moment of the question.
 */
enum { SECRETS_BYTES_MAX = 512 * 1024 }; /* of all values of one instance */
struct msg_secrets_ask {
    uint64_t id; /* chosen by the asker */
    uint64_t revision_id;
    uint32_t anew; /* not 0: the instance runs already, and only its files of the latest version are
                      wanted */
    char revision[REVISION_NAME_MAX]; /* its name, from "projects/" on */
};
struct msg_secret {
    uint64_t id;
    uint32_t container; /* its place in the revision */
    uint32_t mode;      /* of a file; 0: a variable of the environment */
    /* Behind this struct: the variable's name, or the folder where the volume is mounted, a NUL and
     * the file's path below it; and the value. */
    uint32_t name_bytes, bytes;
};
struct msg_secrets_told {
    uint64_t id;
    uint32_t ok;
    char text[1024]; /* why not: sentences for the user */
};

/* Behind both: COUNT struct shares_entry, whole (ipc/shares.h). */
struct msg_places {
    uint64_t revision_id;
    uint32_t number; /* of this statement, among the engine's of this revision */
    uint32_t places; /* of each instance, of all nodes */
    uint32_t wanted;
    uint32_t count;
};
struct msg_places_told {
    uint64_t revision_id;
    uint32_t number; /* of the last statement that is in it; 0: there is none */
    uint32_t tenure;
    uint32_t wanted, others_held, others_wanted, users, total; /* as in struct shares_told */
    uint32_t count;
};
struct msg_tenure {
    uint32_t tenure;
};

/* What is to become of the fetcher. BROKEN: it has said what it may not, and is killed. */
enum fetcher_wanted { FETCHER_UNWANTED, FETCHER_WANTED, FETCHER_BROKEN };
struct msg_fetcher_wanted {
    uint32_t wanted; /* enum fetcher_wanted */
};
/* Texts that stand behind struct msg_fetch, one after the other, in this order. */
enum fetch_text {
    FETCH_URI,
    FETCH_FORM,        /* body of a POST (application/x-www-form-urlencoded); empty: a GET */
    FETCH_CREDENTIALS, /* HTTP Basic: "user:password" */
    FETCH_BEARER,      /* access token */
    FETCH_CA,          /* certificates in PEM that are trusted besides the system's */
    FETCH_TEXTS,
};
struct msg_fetch {
    uint64_t id;        /* chosen by control */
    uint32_t bytes_max; /* of the answer */
    uint32_t rules;     /* bits 1 << enum fetch_rule */
    uint32_t text_bytes[FETCH_TEXTS];
    uint32_t zero; /* where there would be padding, which is of no value that anybody chose */
};
enum { FETCH_WHY_BYTES = 256 };
struct msg_fetched {
    uint64_t id;
    uint32_t status; /* of HTTP; 0: no answer came, and the bytes say why */
    uint32_t bytes;  /* behind this struct */
};

/* Who may say what to whom, and how long: a packet that breaks its row is dropped and logged, and
 * ends the channel's use. */
struct message_rule {
    unsigned senders; /* bits 1 << process_role */
    unsigned receivers;
    size_t bytes_min, bytes_max;
    unsigned fds_max; /* descriptors that may come with it */
};
extern const struct message_rule message_rules[MSG_TYPES];

/* ---- a channel on a loop ---- */

struct ipc_channel; /* opaque */

/*
 * BODY is good until the call returns. MSG_NONE, without a body, is the end of the channel's use,
 * once: the peer broke its row (logged already), or both its ends are closed (the supervisor has
 * died); close the channel then.
 */
typedef void (*ipc_receive)(struct ipc_channel *channel, enum message_type type, const void *body,
                            size_t bytes, void *ctx);

/* FD is one end; SELF and PEER are checked against the rules. The channel owns a handle on LOOP,
 * not the descriptor. */
struct ipc_channel *ipc_open(uv_loop_t *loop, int fd, enum process_role self,
                             enum process_role peer, ipc_receive receive, void *ctx,
                             struct error *err);
void ipc_close(struct ipc_channel *channel);

/* Queues up to 1 MiB while the peer is slow or away; false (and the message is dropped) beyond
 * that. */
bool ipc_send(struct ipc_channel *channel, enum message_type type, const void *body, size_t bytes);

/*
 * Like ipc_send() with COUNT descriptors, of which the peer gets copies. Never queues: false if the
 * peer is slow or away, and nothing was sent.
 */
bool ipc_send_fds(struct ipc_channel *channel, enum message_type type, const void *body,
                  size_t bytes, const int *fds, unsigned count);
/* Within ipc_receive: the next descriptor that came with the message, now the caller's; -1 after
 * the last. Those that are not taken are closed. */
int ipc_take_fd(struct ipc_channel *channel);

/* Before a loop runs: blocking, with a timeout. Used to talk to the signer. */
bool ipc_send_now(int fd, enum message_type type, const void *body, size_t bytes,
                  unsigned timeout_ms, struct error *err);
/* Discards what lies unread at the end FD: it was meant for a predecessor. */
void ipc_forget(int fd);
/* Receives one packet into BODY (at least IPC_PACKET_MAX). */
bool ipc_receive_now(int fd, enum message_type *type, void *body, size_t *bytes,
                     unsigned timeout_ms, struct error *err);

/* ---- what a process is born with ---- */

/*
 * Descriptors that the supervisor leaves open, named in the environment variable HOMERUN_FDS as
 * "name=fd name=fd…": settings, board, api, https, http (listening sockets), supervisor, control,
 * engine, signer, fetcher, ingress0… (channel ends), wake0… (eventfds of the workers),
 * log-requests, log-instances. -1 if this process has none of that name. The descriptor is marked
 * close-on-exec, so that nothing this process starts finds it open.
 */
int ipc_inherited(const char *name);
/* ingress: its own number, from HOMERUN_WORKER; -1 if it has none below BOARD_WORKERS. */
int ipc_worker_number(void);
