/* The owner's key file in the data folder, when the server's address is another than it says. */
#pragma once

#include "control/control.h"

/*
 * DATA/owner.json names the token endpoint that it was made for. After a start on another port that
 * one is gone, so the file is made to name the present one; the key in it stays. A file that is
 * missing, is another account's, or belongs to another user of the machine is left as it is, and
 * what cannot be done is logged: the key is good all the same.
 */
void owner_file_refresh(struct control *control);
