// Inside early_exit: what the files of a recording share.
#ifndef JB_EARLY_EXIT_RECORDED_H
#define JB_EARLY_EXIT_RECORDED_H

#include "early_exit/recording.h"

// Precision of `stage` on the path of a row that looks at every exit and never stops.
enum jb_precision jb_recorded_precision(const struct jb_recording *r, uint32_t stage);
// Stores what exit `exit` said of sample i: head with logits, and its gate if it has one.
void jb_recording_keep(struct jb_recording *r, uint32_t i, uint32_t exit, const struct jb_head_row *head);
// What a row has cost that looked at all exits 0..exit under this policy and stopped there, at the mean position of the recording.
struct jb_cost jb_recording_path_cost(const struct jb_recording *r, const struct jb_policy_ops *ops, uint32_t exit);

#endif
