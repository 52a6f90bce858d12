/*
 * The signer: the one process that holds private keys. It has no network, starts nothing, and
 * answers control and metadata over the channels that the supervisor made; what each may ask for is
 * one table in answer.c.
 *
 * On disk, under DATA/signer (0700; files 0600): ca.crt and ca.key, the local CA; issuer-KID.pem,
 * the keys of our issuer, with their order, newest first, in `issuers`; account-SUB.pem, the key of
 * a service account that the platform manages; secrets.key, what the values of secrets are
 * encrypted with. DATA/ca.pem is the CA's certificate for everybody.
 */
#pragma once

/* Entry of the role: argv as exec gave it. Returns the exit status. */
int signer_main(int argc, char **argv);
