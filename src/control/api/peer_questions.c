#include "control/api/peer_questions.h"

const struct peer_question peer_questions[] = {
    {"counts", counts_of_node},   {"denial", denial_of_node},
    {"history", history_of_node}, {"instances", instances_of_node},
    {"logs", logs_of_node},       {"overview", overview_of_node},
    {"tail", tail_of_node},       {0},
};
