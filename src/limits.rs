//! Every bound of the server, in one place: its value and unit, why it is what it is, which counter
//! of [`crate::metrics`] tells that it was reached, and which test reaches it.
//!
//! The gate `tests/it/tidy.rs` reads this file: each constant names its `Counter:` (or says why it
//! has none) and its `Test:`, and both must exist.

/// Bytes in a KiB.
const KIB: usize = 1 << 10;
/// Bytes in a MiB.
const MIB: usize = 1 << 20;

/// The longest record kept whole, in bytes, where `--max-line` does not say otherwise: a quarter
/// of a large block.
/// Counter: `cut`. Test: `a_line_over_the_limit_is_cut_and_the_next_is_whole`.
pub const LINE_BYTES_DEFAULT: usize = 64 * KIB;

/// Bytes of our own log that wait for standard error; more is dropped, for a stuck pipe must not
/// cost memory.
/// Counter: `log_dropped`. Test: `a_full_log_drops_and_counts`.
pub const LOG_PENDING_BYTES_MAX: usize = 64 * KIB;

/// Lines a second that one kind of event writes to our own log; a flood of one kind must not hide
/// the others.
/// Counter: `log_suppressed`. Test:
/// `a_kind_that_repeats_is_limited_and_says_how_many_were_left_out`.
pub const LOG_REPEATS_PER_SECOND_MAX: u32 = 10;

/// Kinds of events whose repeats are counted; there are fewer in the source.
/// Counter: none: it bounds a table of literals. Test:
/// `more_kinds_than_the_table_holds_are_still_written`.
pub const LOG_KINDS_MAX: usize = 128;

/// Connections the kernel completes for us before they are accepted.
/// Counter: none: the kernel's own (`ListenOverflows`). Test: `a_burst_of_connections_is_accepted`.
pub const LISTEN_BACKLOG: i32 = 1024;

/// Seconds of silence before the kernel asks whether a peer still lives.
/// Counter: `peers_dead`. Test: `an_accepted_socket_has_keepalive`.
pub const KEEPALIVE_IDLE_S: u32 = 60;
/// Seconds between such questions.
/// Counter: `peers_dead`. Test: `an_accepted_socket_has_keepalive`.
pub const KEEPALIVE_INTERVAL_S: u32 = 10;

/// Questions without an answer before the peer is given up.
/// Counter: `peers_dead`. Test: `an_accepted_socket_has_keepalive`.
pub const KEEPALIVE_PROBES: u32 = 6;

/// Orders at the disk helper without an answer; the pipe holds more, so that writing one never
/// blocks a turn.
/// Counter: `disk_orders_refused`. Test: `an_order_too_many_is_not_taken`.
pub const DISK_ORDERS_MAX: usize = 256;

/// Bytes pre-written and synced before the helper looks for other orders: at 20 MB/s a sync waits
/// 200 ms for it at most.
/// Counter: `prewrite_bytes`. Test: `a_prewrite_comes_in_steps_and_a_sync_between_them`.
pub const PREWRITE_STEP_BYTES: usize = 4 * MIB;

/// The one buffer that everything is received into; small enough to stay in the cache. It holds
/// what a connection had left over, [`READ_BYTES_PER_GO`] at most twice, and what is read now.
/// Counter: none: fixed. Test: none: a constant assertion beside its use.
pub const SCRATCH_BYTES: usize = 256 * KIB;

/// Bytes read from one connection before the next has its go.
/// Counter: `reads_cut_short`. Test: `one_fast_sender_does_not_starve_the_others`.
pub const READ_BYTES_PER_GO: usize = 64 * KIB;

/// Nanoseconds a turn spends on reading logs, whatever more is ready.
/// Counter: `turns_out_of_time`. Test:
/// `questions_are_answered_while_logs_pour_in`.
pub const LOG_READ_NS_PER_TURN: u64 = 300_000;

/// Bytes kept of one datagram: what IP can carry, and as much as a line may have. Unix sockets take
/// more.
/// Counter: `datagrams_cut`. Test: `a_datagram_over_the_limit_is_stored_as_cut_and_counted`.
pub const DATAGRAM_BYTES_MAX: usize = 64 * KIB;

/// Datagrams received with one system call: enough to make the call cheap, few enough that what
/// they fill first (their first pages) stays in the cache. The room, 2 MiB, is only touched as far
/// as datagrams reach.
/// Counter: none: fixed. Test: `a_flood_of_datagrams_is_stored_or_counted`.
pub const DATAGRAMS_PER_CALL: usize = 32;

/// Datagrams taken from one socket before the next has its go: about as many as lines come with
/// [`READ_BYTES_PER_GO`].
/// Counter: `reads_cut_short`. Test: `a_flood_of_datagrams_is_stored_or_counted`.
pub const DATAGRAMS_PER_GO: usize = 256;

/// Bytes of datagrams that the kernel is asked to keep until we read them: 40 ms of 500,000 short
/// ones a second, for it grants twice that and counts its own bookkeeping. Less where the machine's
/// limit (rmem_max) is lower and we have no right to exceed it.
/// Counter: `datagrams_dropped`. Test: `a_flood_of_datagrams_is_stored_or_counted`.
pub const DATAGRAM_BUFFER_BYTES: usize = 8 * MIB;

/// Senders of datagrams whose names are remembered, so that none is written out for each datagram.
/// More only cost time.
/// Counter: none: a full table writes names anew. Test: `many_senders_keep_their_names`.
pub const DATAGRAM_HOSTS_KEPT: usize = 256;

/// Kernel messages read before another source has its go.
/// Counter: `reads_cut_short`. Test: `the_kernel_log_is_read`.
pub const KMSG_PER_GO: usize = 64;

/// Nanoseconds a turn spends on slices of queries and tails.
/// Counter: `turns_out_of_time`. Test:
/// `questions_are_answered_while_a_full_scan_runs`.
pub const SLICE_NS_PER_TURN: u64 = 300_000;

/// Connections accepted in a turn, over all listeners.
/// Counter: `accepts_put_off`. Test: `a_burst_of_connections_is_accepted`.
pub const ACCEPTS_PER_TURN: usize = 16;

/// Nanoseconds a turn spends on opening an existing segment; nobody is being answered yet.
/// Counter: none: before the start. Test: none: only delays.
pub const OPENING_NS_PER_TURN: u64 = 5_000_000;

/// Log clients at a time, where `--max-clients` does not say otherwise.
/// Counter: `connections_refused`. Test: `a_client_too_many_is_told_why`.
pub const CLIENTS_DEFAULT: usize = 1000;

/// Places beyond `--max-clients` for questions and health, so that a crowd of senders cannot lock
/// the operator out. Where the open-file limit is what is short, senders leave as many descriptors,
/// but at most a quarter of it.
/// Counter: `connections_refused`. Test: `questions_have_places_of_their_own`.
pub const QUESTION_PLACES: usize = 32;

/// Connections that are being told that there is no place, at a time; more are closed without a
/// word.
/// Counter: `connections_refused`. Test: `a_client_too_many_is_told_why`.
pub const REFUSALS_AT_ONCE: usize = 32;

/// Bytes of one command; longer ones are answered with an error and skipped.
/// Counter: `commands_too_long`. Test: `a_command_too_long_is_refused_and_the_next_is_answered`.
pub const COMMAND_BYTES_MAX: usize = 8 * KIB;

/// Bytes of one line of IRC with CR LF, tags apart (RFC 2812 section 2.3); those of a client's are
/// refused, ours are cut.
/// Counter: none: the client is told with 417. Test: `a_line_too_long_is_told_once_and_skipped`.
pub const IRC_LINE_BYTES_MAX: usize = 512;

/// Bytes of the tags that a client may send with one line, with the `@` and the space around them
/// (IRCv3 message-tags).
/// Counter: none: the client is told with 417. Test: `tags_have_a_bound_of_their_own`.
pub const IRC_CLIENT_TAG_BYTES_MAX: usize = 4096;

/// Bytes of the tags of a line that we send, those of its client and ours, with the `@` and the
/// space around them (IRCv3 message-tags).
/// Counter: none: a tag that does not fit is left out. Test: `a_tag_that_does_not_fit_is_left_out`.
pub const IRC_TAG_BYTES_MAX: usize = 8191;

/// Parameters of one message; the last takes all that follows (RFC 2812 section 2.3.1).
/// Counter: none: what follows is part of the last. Test: `messages_are_taken_apart`.
pub const IRC_PARAMS_MAX: usize = 15;

/// Bytes of a nick (NICKLEN): as others allow.
/// Counter: none: the client is told with 432. Test: `nicks_are_letters_digits_and_a_few_signs`.
pub const IRC_NICK_BYTES_MAX: usize = 30;

/// Bytes of a channel's name with its `#` (CHANNELLEN): an application's or a host's name fits in.
/// Counter: none: the client is told with 403.
/// Test: `channels_begin_with_a_sign_and_hold_no_blanks`.
pub const IRC_CHANNEL_BYTES_MAX: usize = 64;

/// Bytes of a channel's key (KEYLEN; RFC 2812 section 2.3.1).
/// Counter: none: the client is told with 525. Test: `keys_are_visible_and_short`.
pub const IRC_KEY_BYTES_MAX: usize = 23;

/// Bytes of a user's name (USERLEN); a longer one is cut.
/// Counter: none: Modern IRC wants it cut. Test: `user_names_are_made_harmless`.
pub const IRC_USER_BYTES_MAX: usize = 18;

/// Bytes of a server's name (RFC 2812 section 1.1).
/// Counter: none: the setting is refused. Test: `a_server_name_is_a_host`.
pub const IRC_SERVER_NAME_BYTES_MAX: usize = 63;

/// Bytes of a mask: any nick, user and host, with room for signs. Trying one costs at most as many
/// comparisons as it has bytes, for each byte of the name. A longer one in WHO or LIST covers none.
/// Counter: none: the client is told with 696. Test: `masks_are_written_in_one_form`.
pub const IRC_MASK_BYTES_MAX: usize = 160;

/// Changes that one MODE may ask for: more than there are letters and arguments; each is answered.
/// Counter: none: more are left out. Test: `changes_are_bounded`.
pub const IRC_MODE_CHANGES_MAX: usize = 32;

/// Bytes of answers that wait for a client to take them; at this mark a query waits too.
/// Counter: `outbox_full`. Test: `a_client_that_does_not_read_costs_bounded_memory`.
pub const OUTBOX_BYTES_MAX: usize = 64 * KIB;

/// The same where the memory budget (`--memory`) is spent: enough to go on with.
/// Counter: `outbox_full`. Test: `deaf_clients_share_the_memory_budget`.
pub const OUTBOX_BYTES_MIN: usize = 4 * KIB;

/// Queries that scan at one time; others wait in order.
/// Counter: `queries_queued`. Test: `a_ninth_query_waits_and_is_answered`.
pub const QUERIES_AT_ONCE: usize = 8;

/// Milliseconds the server waits for another command after it has answered all it was sent.
/// Counter: none: the ordinary end of a conversation. Test:
/// `the_connection_ends_after_the_last_answer`.
pub const LINGER_MS: u64 = 20;

/// Milliseconds the server reads on after its last answer, so that a reset does not destroy it.
/// Counter: `drains_cut_short`. Test: `a_client_that_never_closes_is_closed`.
pub const DRAIN_MS: u64 = 1000;

/// Milliseconds a question connection may keep silent before its first command, or within one.
/// Counter: `idle_closed`. Test: `a_question_that_never_comes_is_closed`.
pub const QUESTION_IDLE_MS: u64 = 60_000;

/// Descriptors that are none of connections or listeners: standard streams, the poll, pipes, the
/// segment's files, and some that are open for a moment.
/// Counter: `accepts_without_descriptor`. Test: `senders_leave_descriptors_for_questions`.
pub const DESCRIPTORS_OWN: usize = 24;

/// Milliseconds until a listener without a descriptor tries again by itself.
/// Counter: `accepts_without_descriptor`. Test: `running_out_of_descriptors_only_delays_accepting`.
pub const ACCEPT_RETRY_MS: u64 = 100;

/// Milliseconds that senders are still listened to after a signal to stop, or `--shutdown-timeout`
/// if that is shorter: a relay with a long queue looks only now and then whether we are there.
/// Counter: none: at the end. Test: `what_has_arrived_is_taken_in_at_a_stop`.
pub const STOP_READ_MS: u64 = 3000;

/// Milliseconds without a byte from any sender after which a stop waits for none of them: they have
/// been told, and those that were busy had time to see it.
/// Counter: none: at the end. Test: `a_sender_that_sees_the_stop_loses_nothing`.
pub const STOP_QUIET_MS: u64 = 100;

/// Commands that SLOWLOG remembers.
/// Counter: none: a ring of the newest. Test: `the_slow_log_keeps_the_slowest`.
pub const SLOW_COMMANDS_KEPT: usize = 32;

/// Bytes of a command that SLOWLOG keeps.
/// Counter: none: the rest is marked by an ellipsis. Test: `the_slow_log_keeps_the_slowest`.
pub const SLOW_COMMAND_BYTES: usize = 200;

/// Bytes of partial lines, answers and regex caches beyond the ring, where `--memory` does not say
/// otherwise. A partial line for which there is no room is stored as it stands, marked as cut.
/// Counter: `cut_for_memory`. Test:
/// `partial_lines_stay_within_the_memory_budget`.
pub const MEMORY_BYTES_DEFAULT: usize = 16 * MIB;

/// The longest pattern of a REGEX, in bytes: what a person types fits, and the time to read it
/// stays below a turn.
/// Counter: `command_errors`. Test: `patterns_over_a_bound_are_refused`.
pub const REGEX_PATTERN_BYTES_MAX: usize = KIB;

/// How deep the groups of a pattern may nest: its reader recurses.
/// Counter: `command_errors`. Test: `patterns_over_a_bound_are_refused`.
pub const REGEX_NEST_MAX: u32 = 50;

/// The largest program that a pattern may become, in bytes: it bounds the time to compile it, and
/// the time that one new state of its DFA takes.
/// Counter: `command_errors`. Test: `patterns_over_a_bound_are_refused`.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 256 * KIB;

/// The most memory that the states of a pattern's DFA may hold, in bytes; when it is full the
/// states are made anew.
/// Counter: none: a full cache costs time only, and that is taken from the slice's budget.
/// Test: `slow_patterns`.
pub const REGEX_CACHE_BYTES_MAX: usize = 256 * KIB;

/// The most texts that `keywords=` takes, and `!keyword=`s of one question: each is looked for in
/// each window.
/// Counter: `command_errors`. Test: `more_keywords_than_allowed_are_refused`.
pub const KEYWORDS_MAX: usize = 16;

/// The smallest segment, in bytes: 15 small blocks.
/// Counter: none: a smaller `--size` is refused at the start.
/// Test: `a_segment_smaller_or_larger_than_allowed_is_refused`.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// The largest segment, in bytes: what an array of summaries in memory can follow.
/// Counter: none: a larger `--size` is refused at the start.
/// Test: `a_segment_smaller_or_larger_than_allowed_is_refused`.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 40;

/// The longest labels of a stream, in bytes, as they stand in each block that holds its records.
/// Counter: none: what is beyond is left out of the labels, never of a record.
/// Test: `labels_beyond_the_limit_are_cut`.
pub const STREAM_BYTES_MAX: usize = 1024;

/// Numbers that may be given out before the next sync, at least: what a crash skips when little
/// is written.
/// Counter: `waits_limit`. Test: `five_hundred_kills_in_a_row_evict_nothing`.
pub const NUMBERS_AHEAD_MIN: u64 = 64;

/// Numbers that may be given out before the next sync, at most, however fast lines come.
/// Counter: `waits_limit`. Test: `the_number_allowance_grows_with_use_and_has_a_bound`.
pub const NUMBERS_AHEAD_MAX: u64 = 1 << 24;

/// Skipped numbers that get slots in the block that was open at a crash; more begin a new block.
/// Counter: none: nothing waits and nothing is lost, more numbers only begin a new block.
/// Test: `many_skipped_numbers_begin_a_new_block`.
pub const GAP_SLOTS_MAX: u64 = 512;

/// Sockets that a service manager may pass to the server.
/// Counter: none: before the start, and told in the log.
/// Test: `sockets_that_cannot_be_used_are_told_of`.
pub const PASSED_SOCKETS_MAX: u16 = 256;

/// Milliseconds until a message that the service manager did not take is offered again.
/// Counter: none: nothing is lost. Test: `a_manager_that_takes_nothing_is_told_later`.
pub const NOTIFY_RETRY_MS: u64 = 100;

/// Milliseconds until a segment that another process holds is tried again.
/// Counter: none: before the start. Test: `a_waiting_server_takes_over_when_the_lock_is_free`.
pub const LOCK_RETRY_MS: u64 = 50;

/// Bytes stored but not yet on disk, where `--dirty-max` does not say otherwise and neither the
/// ring nor the memory limit asks for less; at the mark log sockets wait.
/// Counter: `waits_dirty`. Test:
/// `a_slow_disk_makes_senders_wait_and_loses_nothing`.
pub const DIRTY_BYTES_DEFAULT: u64 = 16 << 20;

/// How many lines RECENT shows where it is not told.
/// Counter: none: a default, no bound. Test: `lines_that_are_commands`.
pub const RECENT_DEFAULT: u64 = 10;

/// Places that a check of a segment names one by one; more are only counted.
/// Counter: none: `damaged` and `torn` of the report count on.
/// Test: `a_report_names_a_bounded_number_of_places`.
pub const SKIPPED_MAX: usize = 1000;

/// The most text that is searched in one go, in bytes; a longer record is a window by itself.
/// Counter: none: it cuts the work of a query, not the query.
/// Test: `an_answer_does_not_depend_on_how_its_steps_are_cut`.
pub const QUERY_WINDOW_BYTES_MAX: u32 = 32 << 10;

/// The most slots that are looked at in one go: what short records, and the writing of their lines,
/// may cost.
/// Counter: none: it cuts the work of a query, not the query.
/// Test: `an_answer_does_not_depend_on_how_its_steps_are_cut`.
pub const QUERY_WINDOW_SLOTS_MAX: u32 = 1024;

/// What one slice of a query may spend on regular expressions, in estimated nanoseconds; a window
/// that needs more is searched in several.
/// Counter: none: it cuts the work of a query, not the query. Test: `slow_patterns`.
pub const QUERY_SLICE_NS: u32 = 200_000;

/// The most blocks that one slice of a query skips by their summaries.
/// Counter: none: it cuts the work of a query, not the query.
/// Test: `blocks_that_their_summaries_rule_out_are_skipped_in_steps`.
pub const QUERY_SKIPS_MAX: u32 = 256;

/// The most groups of blocks whose hits a query counts apart: 16 KiB a query. In a larger ring a
/// group is more than one block, and lines lost in it are told at its end.
/// Counter: none: it bounds the precision of a place, nothing is refused.
/// Test: `groups_of_a_large_ring_are_bounded`.
pub const QUERY_GROUPS_MAX: u64 = 4096;

/// The most text that one slice of a query takes fields out of, in bytes: that costs some hundred
/// times more than copying it. One record may go beyond.
/// Counter: none: it cuts the work of a query, not the query.
/// Test: `an_answer_by_time_does_not_depend_on_how_its_steps_are_cut`.
pub const QUERY_FIELDS_BYTES_PER_SLICE: usize = 4 * KIB;

/// The most records that an answer in order of time puts in order, of 16 bytes each; of more
/// matches the newest are shown, and the answer says of how many.
/// Counter: `sort_left_out`. Test: `more_matches_than_can_be_sorted_are_counted_and_said`.
pub const QUERY_SORT_MAX: usize = 10_000;

/// The most names that LABELS, VALUES or STATS tell apart; records of others are counted together.
/// Counter: `census_left_out`. Test: `more_names_than_are_told_apart_are_counted_together`.
pub const CENSUS_NAMES_MAX: usize = 10_000;

/// The most bytes that these names have together: a stream's labels may be 1 KiB.
/// Counter: `census_left_out`. Test: `more_names_than_are_told_apart_are_counted_together`.
pub const CENSUS_BYTES_MAX: usize = MIB;

/// Streams of a block that are looked up in one slice, and lines of such an answer.
/// Counter: none: it cuts the work of a question, not the question.
/// Test: `a_census_does_not_depend_on_how_its_steps_are_cut`.
pub const CENSUS_NAMES_PER_SLICE: usize = 256;

/// Streams that the count of who sends most remembers at a time; one more takes the place of the
/// least busy. With [`STREAM_BYTES_MAX`] it bounds the table to 64 KiB.
/// Counter: none: only who sends little is forgotten.
/// Test: `streams_made_up_by_the_line_are_never_listed`.
pub const BUSIEST_STREAMS_KEPT: usize = 64;

/// Streams on the page of metrics: the busiest.
/// Counter: none: a choice of what is shown. Test: `ten_streams_are_listed_the_busiest_first`.
pub const BUSIEST_STREAMS_SHOWN: usize = 10;

/// Slots that one turn looks at to count who sends most; of more it looks at every second, third
/// and so on. Counter: none: a choice of what is looked at. Test: `a_turn_looks_at_so_many_slots`.
pub const BUSIEST_SLOTS_PER_TURN: u64 = 512;

/// Milliseconds after which what a stream has sent weighs half in the choice of the busiest.
/// Counter: none: an interval. Test: `who_was_busy_long_ago_gives_way`.
pub const BUSIEST_HALF_MS: u64 = 60_000;

/// How many characters the Unicode classes of a pattern may make its translation look at: it
/// bounds the time to compile it to 2 ms.
/// Counter: `command_errors`. Test: `patterns_over_a_bound_are_refused`.
pub const REGEX_CLASS_COST_MAX: usize = 300_000;

/// Bytes of answers that the kernel holds for one client, beside the outbox; left to itself it
/// would take megabytes for each that does not read.
/// Counter: `outbox_full`. Test: `a_client_that_does_not_read_costs_bounded_memory`.
pub const SEND_BUFFER_BYTES: usize = 256 * KIB;

/// Nanoseconds that one query scans before the next asker has its go.
/// Counter: none: only the order of work. Test:
/// `questions_are_answered_while_logs_pour_in`.
pub const SCAN_NS_PER_GO: u64 = 30_000;

/// Bytes of a host, tag or other word that is looked for in a header without fixed fields; a longer
/// one belongs to the text. It bounds the search: a text may have no blank.
/// Counter: none: the text keeps it. Test: `a_word_without_end_is_no_name`.
pub const SYSLOG_NAME_BYTES_MAX: usize = 256;

/// Names of labels that a segment remembers, so that questions may use them as names: each is one
/// that somebody chose.
/// Counter: none: a label beyond them is asked for as `field.NAME`.
/// Test: `names_of_labels_are_remembered`.
pub const LABEL_NAMES_MAX: usize = 64;

/// Bytes at the front of a JSON line in which its time is looked for; and in its last 64.
/// Counter: none: a line whose time stands behind them is stamped on receipt.
/// Test: `a_time_too_far_behind_is_not_found`.
pub const JSON_TIME_BYTES_MAX: usize = 256;

/// Numbers and names before the text of a kernel message: the kernel has four or five.
/// Counter: none: a record with more is none of the kernel's.
/// Test: `a_head_that_is_too_long_is_refused`.
pub const KMSG_HEAD_BYTES_MAX: usize = 256;

/// Fields that one record shows: in a line of 64 KiB there could be thousands.
/// Counter: none: the record's text, which is shown beside them, holds the others.
/// Test: `fields_of_a_record_are_bounded`.
pub const FIELDS_MAX: usize = 256;

/// How many objects deep the names of fields go; what is nested deeper is one field, as JSON text.
/// Counter: none: nothing is left out. Test: `what_is_nested_too_deep_is_one_field`.
pub const FIELDS_DEPTH_MAX: usize = 16;

/// Senders whose lines are counted against `--rate-limit` at a time; one more takes the place of
/// the one that was silent longest, with a full bucket.
/// Counter: `sources_evicted`. Test: `a_sender_too_many_displaces_the_most_silent`.
pub const SOURCES_MAX: usize = 4096;

/// Bytes of a sender's name in the reports of what was held back.
/// Counter: none: the rest of a name is left out. Test: `a_long_name_is_cut`.
pub const SOURCE_NAME_BYTES_MAX: usize = 64;

/// Floods of forgotten senders that wait to be told, each by itself; more are told in one sum.
/// Counter: none: nothing is lost but who it was.
/// Test: `floods_of_many_forgotten_senders_are_summed_up`.
pub const FORGOTTEN_FLOODS_MAX: usize = 64;

/// Milliseconds from the first line that was held back to the first report of it.
/// Counter: none: an interval. Test: `a_flood_is_told_after_a_second_and_then_every_thirty`.
pub const FLOOD_FIRST_MS: u64 = 1000;

/// Milliseconds between the reports of a flood that goes on.
/// Counter: none: an interval. Test: `a_flood_is_told_after_a_second_and_then_every_thirty`.
pub const FLOOD_REPORT_MS: u64 = 30_000;

/// Milliseconds without a line to hold back, after which a flood is over.
/// Counter: none: an interval. Test: `a_flood_that_ends_is_told_with_what_it_had`.
pub const FLOOD_OVER_MS: u64 = 10_000;

/// Senders whose last line is kept for `--dedupe` at a time, the most recent ones.
/// Counter: `sources_evicted`. Test: `a_forgotten_sender_is_told_of_first`.
pub const DEDUPE_SOURCES_MAX: usize = 1024;

/// Bytes of a line that are kept to compare the next with; longer lines are never folded. With
/// [`DEDUPE_SOURCES_MAX`] it bounds the table to 2 MiB.
/// Counter: none: the line is stored. Test: `long_and_cut_lines_are_never_folded`.
pub const DEDUPE_LINE_BYTES_MAX: usize = KIB;

/// Milliseconds from the first line that was folded until it is told how many there were.
/// Counter: none: an interval. Test: `folded_lines_are_told_after_ten_seconds`.
pub const DEDUPE_MS: u64 = 10_000;

/// Lines that `--multiline` joins to one record; the next begins another.
/// Counter: none: nothing is lost. Test: `a_record_has_so_many_lines_and_bytes`.
pub const MULTILINE_LINES_MAX: u32 = 500;

/// Milliseconds after its last line when a record of several lines is whole.
/// Counter: none: an interval. Test: `a_record_is_whole_a_second_after_its_last_line`.
pub const MULTILINE_MS: u64 = 1000;

/// Bytes at the beginning of a line in which the pattern of `--multiline` is looked for.
/// Counter: none: a line that shows it later is joined. Test: `a_first_line_shows_it_early`.
pub const MULTILINE_LOOK_BYTES: usize = KIB;

/// What looking for that pattern in one line may cost, in estimated nanoseconds; a line that needs
/// more counts as a first one.
/// Counter: none: the line is a record. Test: `a_pattern_that_takes_too_long_joins_nothing`.
pub const MULTILINE_REGEX_NS: u32 = 100_000;

/// Bytes of a label's value; the rest is left out of the label, never of a record.
/// Counter: none: the record has it whole.
/// Test: `long_values_and_control_characters_are_kept_out_of_labels`.
pub const LABEL_BYTES_MAX: usize = 128;

/// Streams that a connection remembers; one that sends more looks up some of them again.
/// Counter: none: it costs time only. Test: `a_sender_that_makes_up_names_takes_no_more_memory`.
pub const STREAMS_PER_CONNECTION: usize = 16;

/// The same for a listener of datagrams, whose senders are many.
/// Counter: none: it costs time only. Test: `labels_are_those_of_the_naive_model`.
pub const STREAMS_PER_LISTENER: usize = 256;

/// The most conditions on labels and fields that one question has: each can cost a reading of each
/// record.
/// Counter: `command_errors`. Test: `conditions_over_a_bound_are_refused`.
pub const CONDITIONS_MAX: usize = 16;

/// How many of them may be regular expressions: each may take 2 ms to compile.
/// Counter: `command_errors`. Test: `conditions_over_a_bound_are_refused`.
pub const CONDITION_PATTERNS_MAX: usize = 4;

/// The longest name and the longest value of a condition, in bytes.
/// Counter: `command_errors`. Test: `conditions_over_a_bound_are_refused`.
pub const CONDITION_BYTES_MAX: usize = KIB;

/// Places of a field's name in one record that are looked at before the whole record is read, which
/// costs as much.
/// Counter: none: it chooses between two ways to the same answer.
/// Test: `a_name_that_stands_everywhere_is_still_found`.
pub const FIELD_PLACES_MAX: usize = 64;

/// Streams of which a search remembers whether they are asked for.
/// Counter: none: what is forgotten is looked up again.
/// Test: `more_streams_than_are_remembered_are_told_apart`.
pub const STREAMS_REMEMBERED: usize = 32;

/// Milliseconds that the beginning of a connection may stay undecided between text and something
/// else; then it is a plain line.
/// Counter: none: the usual way of a line that comes in pieces.
/// Test: `an_undecided_beginning_becomes_a_plain_line`.
pub const FRAME_UNDECIDED_MS: u64 = 1000;

/// The longest compressed frame that is taken, in bytes, where the limit of lines is not longer;
/// of a longer one all is dropped.
/// Counter: `cut_bytes`. Test: `a_compressed_frame_over_the_limit_is_dropped`.
pub const COMPRESSED_FRAME_BYTES_MAX: usize = 64 * KIB;

/// Bytes that a connection's gzip stream becomes in one step, before they are stored.
/// Counter: none: only the order of work. Test: `a_gzip_stream_is_stored_in_steps`.
pub const INFLATED_BYTES_PER_STEP: usize = 64 * KIB;

/// Bytes that a connection's gzip stream becomes in one go; the rest waits for its next.
/// Counter: none: only the order of work. Test: `a_gzip_stream_is_stored_in_steps`.
pub const INFLATED_BYTES_PER_GO: usize = 256 * KIB;

/// Milliseconds before what was held back is told again where the segment had no room for it.
/// Counter: `waits_dirty`. Test: none: only delays.
pub const TELL_AGAIN_MS: u64 = 100;

/// The most that is inflated at a time, in bytes, whatever the caller has room for.
/// Counter: none: it cuts the work, and the rest follows.
/// Test: `no_more_comes_out_at_a_time_than_was_asked_for`.
pub const INFLATE_BYTES_MAX: usize = 8 * MIB;

/// The most bytes that one compressed byte may become, beyond [`INFLATE_FREE_BYTES`]: logs shrink
/// to a tenth or a thirtieth, and what shrinks more was made to do harm.
/// Counter: `inflate_errors`. Test: `what_inflates_beyond_measure_is_refused`.
pub const INFLATE_RATIO_MAX: u64 = 100;

/// Bytes that a stream may inflate to at any ratio: a short one may well be all blanks.
/// Counter: `inflate_errors`. Test: `what_inflates_beyond_measure_is_refused`.
pub const INFLATE_FREE_BYTES: u64 = 64 << 10;

/// The longest header of PROXY protocol, version 1, in bytes: its specification, section 2.1.
/// Counter: `proxy_errors`. Test: `a_line_without_an_end_is_refused`.
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// The longest header of PROXY protocol, version 2, in bytes: what every network passes on in one
/// piece.
/// Counter: `proxy_errors`. Test: `a_header_beyond_the_limit_is_refused`.
pub const PROXY_V2_BYTES_MAX: usize = 536;

/// Bytes of a JSON object that are looked through for a key that says its level.
/// Counter: none: the level is `unknown`. Test: `a_json_object_may_say_its_level_late`.
pub const JSON_LEVEL_BYTES_MAX: usize = KIB;

/// Reports of lines that were held back or folded, stored in one turn.
/// Counter: none: the rest follows in the next turns. Test: `reports_come_some_in_each_turn`.
pub const REPORTS_PER_TURN: usize = 64;

/// Bytes of what is said about one entry of an HTTP body that cannot be stored.
/// Counter: none: the rest of the sentence is left out.
/// Test: `what_is_wrong_is_told_on_one_bounded_line`.
pub const BAD_ENTRY_BYTES_MAX: usize = 200;

/// Bytes of the name and of the value of a pair that says who sent an entry of an HTTP body; a
/// label keeps less.
/// Counter: none: the entry's text has it whole. Test: `pairs_are_cut_and_bounded`.
pub const PAIR_BYTES_MAX: usize = KIB;

/// Bytes of all such pairs of one entry.
/// Counter: none: the entry's text has the rest. Test: `pairs_are_cut_and_bounded`.
pub const PAIRS_BYTES_MAX: usize = 16 * KIB;
/// Bytes of a request's head (request line and headers): more than any browser sends, with all of
/// its cookies.
/// Counter: none: answered with 431. Test: `a_head_over_64_kib_is_refused`.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 * KIB;

/// Headers of a request.
/// Counter: none: answered with 431. Test: `more_than_100_headers_are_refused`.
pub const HTTP_HEADERS_MAX: usize = 100;

/// Empty lines in front of a request that are skipped: old clients send one behind a body.
/// Counter: none: answered with 400. Test: `a_few_empty_lines_before_a_request_are_skipped`.
pub const HTTP_BLANK_LINES_MAX: usize = 4;

/// Bytes of a request's body, as sent and decoded.
/// Counter: none: answered with 413. Test: `a_body_over_32_mib_is_refused`.
pub const HTTP_BODY_BYTES_MAX: u64 = 32 * MIB as u64;

/// Bytes of a body that one step looks at or decodes.
/// Counter: none: it cuts the work, and the rest follows. Test: `a_step_over_a_body_is_bounded`.
pub const HTTP_STEP_BYTES: usize = 64 * KIB;

/// Bytes of chunk extensions in one body, which nobody sends but to make work.
/// Counter: none: answered with 400. Test: `chunk_extensions_are_bounded`.
pub const HTTP_CHUNK_EXTENSION_BYTES_MAX: usize = 4 * KIB;

/// Bytes of trailers behind a chunked body; they are dropped.
/// Counter: none: answered with 400. Test: `trailers_are_dropped_and_bounded`.
pub const HTTP_TRAILER_BYTES_MAX: usize = 8 * KIB;

/// Bytes that a compressed body may decode to at any ratio, beyond which [`INFLATE_RATIO_MAX`]
/// holds: repeats of one line in a batch of usual size are no attack.
/// Counter: none: answered with 413. Test: `a_body_that_grows_beyond_measure_is_refused`.
pub const HTTP_DECODED_FREE_BYTES: u64 = MIB as u64;

/// Bytes of decoded text that a compressed body may refer back to: what zstd recommends every
/// decoder to support (RFC 8878, section 3.1.1.1.2).
/// Counter: none: answered with 413. Test: `a_window_over_8_mib_is_refused`.
pub const HTTP_WINDOW_BYTES_MAX: usize = 8 * MIB;

/// Milliseconds in which the head of a request has to come as a whole.
/// Counter: `idle_closed`. Test: `a_head_that_never_ends_is_answered_with_408`.
pub const HTTP_HEAD_MS: u64 = 10_000;

/// Milliseconds that a client that speaks HTTP may be silent, between requests or within a body.
/// Counter: `idle_closed`. Test: `a_connection_without_requests_is_closed`.
pub const HTTP_IDLE_MS: u64 = 60_000;

/// Milliseconds of silence after which a tail is told that we are still here.
/// Counter: none: an interval. Test: `a_silent_tail_is_kept_alive`.
pub const HTTP_KEEP_ALIVE_MS: u64 = 15_000;

/// Milliseconds that an upload waits for a segment that takes nothing, before all of it is refused
/// with 429; one of which something is stored waits on.
/// Counter: `throttled`. Test: `an_upload_that_the_disk_does_not_take_is_refused_as_a_whole`.
pub const HTTP_FULL_WAIT_MS: u64 = 2000;

/// Bytes of a body that nobody wants which are read all the same, so that the connection can be
/// used again.
/// Counter: none: a longer one closes the connection.
/// Test: `a_body_that_nobody_wants_does_not_end_the_connection`.
pub const HTTP_BODY_DROP_BYTES_MAX: u64 = 64 << 10;

/// Bytes of the parameters of a question, in the path and the body together.
/// Counter: none: answered with 413. Test: `parameters_without_end_are_refused`.
pub const HTTP_FORM_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a line that comes in over HTTP, decoded: a JSON object may be longer than its record.
/// Counter: `bodies_refused`. Test: `a_line_without_end_is_refused`.
pub const HTTP_LINE_BYTES_MAX: usize = MIB;

/// Tails over HTTP that are open at a time.
/// Counter: none: answered with 503. Test: `a_tail_too_many_is_told_so`.
pub const HTTP_TAILS_MAX: usize = 1000;

/// Milliseconds that an answer may take where the question does not say otherwise.
/// Counter: none: answered with 504, or told in the last line.
/// Test: `an_answer_that_takes_too_long_says_so`.
pub const HTTP_QUERY_MS_MAX: u64 = 60_000;

/// Bytes of one answer, before it is encoded.
/// Counter: none: told in the last line. Test: none: it takes a ring of that size.
pub const HTTP_ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Bytes of an answer from which on it is worth while to compress it.
/// Counter: none: it only costs bytes. Test: `an_answer_is_compressed_for_whoever_takes_that`.
pub const HTTP_GZIP_BYTES_MIN: usize = KIB;
/// Pieces of output that tails leave for others which ask and show alike.
/// Counter: none: what is not shared is done again.
/// Test: `a_memo_of_many_pieces_stays_within_its_bounds`.
pub const TAIL_MEMO_PIECES_MAX: usize = 1024;

/// Bytes that these pieces hold together.
/// Counter: none: what is not shared is done again.
/// Test: `a_memo_of_many_pieces_stays_within_its_bounds`.
pub const TAIL_MEMO_BYTES_MAX: usize = MIB;

/// Bytes of one such piece; who could take a longer one would hardly have room for it.
/// Counter: none: what is not shared is done again.
/// Test: `a_memo_of_many_pieces_stays_within_its_bounds`.
pub const TAIL_MEMO_PIECE_BYTES_MAX: usize = 32 * KIB;

/// Buckets of time that one question counts by, 80 bytes each: more than a screen has columns for.
/// Counter: none: a finer step is refused, and the least one named.
/// Test: `a_step_too_fine_is_refused_and_the_least_is_named`.
pub const HITS_BUCKETS_MAX: u64 = 1000;

/// Buckets where it is not said how many.
/// Counter: none: a default, no bound. Test: `steps_are_such_as_people_like`.
pub const HITS_BUCKETS_DEFAULT: u64 = 60;

/// Buckets of an answer that are written in one slice.
/// Counter: none: it cuts the work of a question, not the question.
/// Test: `hits_are_those_of_a_naive_count`.
pub const HITS_BUCKETS_PER_SLICE: usize = 64;

/// Records of an answer over HTTP where it is not said how many.
/// Counter: none: a default, no bound. Test: `a_question_has_a_limit`.
pub const HTTP_LIMIT_DEFAULT: u64 = 1000;

/// The most records of an answer over HTTP; who wants more asks for the next page.
/// Counter: none: a higher `limit=` is refused. Test: `a_question_has_a_limit`.
pub const HTTP_LIMIT_MAX: u64 = 1_000_000;

/// The longest time that a question over HTTP may give itself, in milliseconds.
/// Counter: none: a longer `timeout=` is refused. Test: `a_timeout_is_bounded`.
pub const HTTP_TIMEOUT_MS_MAX: u64 = 600_000;

/// Bytes of the parameters of a question over HTTP, decoded: as many as a command has.
/// Counter: none: answered with 413. Test: `a_question_that_is_too_long_is_refused`.
pub const HTTP_QUESTION_BYTES_MAX: usize = COMMAND_BYTES_MAX;
/// Reasons and the like that one counter tells apart; all others are one, `other`. It bounds what a
/// collector has to keep, whatever the source grows to.
/// Counter: none: what is beyond is counted together. Test:
/// `more_kinds_than_there_are_places_count_as_other`.
pub const METRIC_KINDS_MAX: usize = 24;

/// Milliseconds that a sync may be under way before health is DEGRADED: a disk that is busy takes
/// seconds, one that is broken minutes.
/// Counter: none: it changes what is said of it. Test: `a_sync_that_does_not_end_is_told`.
pub const HEALTH_SYNC_MS_MAX: u64 = 10_000;

/// Bytes of the answer to `STATS json` that a client takes: many times what a server says.
/// Counter: none: a client's. Test: `an_answer_without_an_end_is_refused`.
pub const STATS_BYTES_MAX: u64 = MIB as u64;

/// Connections up to which open descriptors are counted one by one, where the kernel does not say
/// how many there are; beyond, connections are added to what was counted last.
/// Counter: none: it chooses between two ways to count. Test: `this_process_is_known`.
pub const LISTED_DESCRIPTORS_MAX: u64 = 64;

/// Bytes of a body in protobuf or JSON that are looked at in a step, so that other connections have
/// their go between the steps.
/// Counter: none: only the order of work. Test: `a_step_looks_at_so_much_and_no_more`.
pub const TREE_BYTES_PER_STEP: usize = 64 * KIB;

/// The longest entry of such a body, in bytes with all that is said beside its line: many times
/// what a record keeps, and read within a millisecond or two. Loki allows a quarter of it.
/// Counter: none: reported as an entry of reason `too_long`.
/// Test: `an_entry_too_long_is_bad_and_the_next_is_found`.
pub const ENTRY_BYTES_MAX: usize = MIB;

/// Bytes of what such a body says of many entries at once: labels, a resource, a scope.
/// Counter: none: each of its entries is reported. Test: `labels_beyond_measure_are_refused`.
pub const TREE_CONTEXT_BYTES_MAX: usize = 64 * KIB;

/// Bytes of the name of a member in a JSON body, with its quotes.
/// Counter: none: the body is refused. Test: `a_name_too_long_is_refused`.
pub const JSON_KEY_BYTES_MAX: usize = 4 * KIB;

/// How deep the values of a JSON body may be nested.
/// Counter: none: the body is refused. Test: `what_is_nested_too_deep_is_refused`.
pub const JSON_DEPTH_MAX: usize = 128;

/// How deep the attributes of an OTLP record may be nested: as deep as fields are shown.
/// Counter: none: reported as an entry of reason `metadata`.
/// Test: `values_nested_too_deep_make_a_bad_entry`.
pub const OTLP_DEPTH_MAX: usize = FIELDS_DEPTH_MAX;

/// Bytes after which the text of an entry is not written on: no record keeps more, so that it is
/// cut, and counted as such, when it is stored.
/// Counter: `cut`. Test: `a_line_longer_than_a_record_is_not_read_to_its_end`.
pub const ENTRY_TEXT_BYTES_MAX: usize = LINE_BYTES_DEFAULT;

/// Bytes of what an OTLP resource adds to the text of each of its records, and of what a scope
/// adds: a body of short records must not become thousands of times as long.
/// Counter: none: an attribute for which there is no room is left out.
/// Test: `what_a_resource_adds_to_each_record_is_bounded`.
pub const OTLP_SHARED_BYTES_MAX: usize = 4 * KIB;

/// Bytes of JSON lines and of Elasticsearch's pairs of lines that are looked at in a step.
/// Counter: none: only the order of work. Test: `a_step_looks_at_its_share_and_no_more`.
pub const LINES_BYTES_PER_STEP: usize = 64 * KIB;

/// The longest object of JSON lines, and the longest line of Elasticsearch's, in bytes: four times
/// what a record keeps, and as much as VictoriaLogs takes. A body must be held so far.
/// Counter: none: reported as an entry of reason `too_long`.
/// Test: `an_object_too_long_is_bad_and_the_next_is_found`.
pub const JSON_LINE_BYTES_MAX: usize = 256 * KIB;

/// Names of fields in the parameters of one request; each key of each line is compared with them.
/// Counter: none: the request is refused. Test: `options_that_cannot_be_read_are_refused`.
pub const JSON_NAMES_MAX: usize = 64;

/// Reasons kept for the answer to one bulk request, each of [`BAD_ENTRY_BYTES_MAX`] bytes at most;
/// other documents that were not stored are told by their status.
/// Counter: none: only the words are left out. Test: `only_so_many_reasons_are_kept`.
pub const BULK_REASONS_MAX: usize = 64;

/// Entries of a body that are worked on in one step, before others have their turn: of the usual
/// length, some tens of microseconds.
/// Counter: none: it cuts the work of an upload, not the upload.
/// Test: `a_segment_that_is_full_delays_an_upload_and_doubles_nothing`.
pub const HTTP_ENTRIES_PER_STEP: u32 = 256;

/// Tails that are told of each line at once; of more, see [`TAIL_WAKE_NS`].
/// Counter: none: it only delays. Test: `fifty_tails_at_once_see_every_line`.
pub const TAILS_WOKEN_AT_ONCE: usize = 32;

/// Nanoseconds that each tail beyond [`TAILS_WOKEN_AT_ONCE`] adds to the least time between two
/// looks: 500 look every 2 ms, and take less than half of a core at any rate.
/// Counter: none: it only delays. Test: `fifty_tails_at_once_see_every_line`.
pub const TAIL_WAKE_NS: u64 = 4_000;

/// Bytes of entries that are stored in one step, about: 256 long ones would take milliseconds.
/// Counter: none: it cuts the work of an upload, not the upload.
/// Test: `a_segment_that_is_full_delays_an_upload_and_doubles_nothing`.
pub const HTTP_ENTRY_BYTES_PER_STEP: usize = 128 * KIB;

/// Bytes that a decoder of a body may need at once: with less of the budget left, bodies that are
/// compressed are refused with 429, and health is DEGRADED.
/// Counter: `throttled`. Test: `a_budget_that_is_spent_degrades`.
pub const DECODER_BYTES_MIN: usize = 128 * KIB;

/// The longest record of an OTLP body in JSON, in bytes: it is looked through several times, so
/// that one of [`ENTRY_BYTES_MAX`] would take too long. Four times what a record keeps.
/// Counter: none: reported as an entry of reason `too_long`.
/// Test: `a_record_too_long_to_be_read_in_json_is_bad`.
pub const OTLP_JSON_ENTRY_BYTES_MAX: usize = 256 * KIB;

/// Bytes of all objects and arrays in the values of such a record, those in others counted again:
/// each level is looked through some four times, and all of them within a few milliseconds.
/// Counter: none: reported as an entry of reason `metadata` or `line`.
/// Test: `long_values_nested_deep_make_a_bad_entry`.
pub const OTLP_JSON_NESTED_BYTES_MAX: usize = 2 * OTLP_JSON_ENTRY_BYTES_MAX;

/// Bytes of a connection's IRC input that wait, at most; then it is not read until some are worked
/// off. Room for the longest line with its tags. Counter: none: the client waits. Test:
/// `a_line_without_an_end_neither_spins_nor_grows`.
pub const IRC_INBOX_BYTES_MAX: usize = 16 * 1024;

/// IRC lines a second that a client is heard with; more are heard later. Counter: `irc_slowed`.
/// Test: `a_flood_is_slowed_and_never_closed`.
pub const IRC_LINES_PER_SECOND: u64 = 25;

/// IRC lines that a client may send at once. Counter: `irc_slowed`. Test:
/// `a_flood_is_slowed_and_never_closed`.
pub const IRC_LINES_AT_ONCE: u64 = 200;

/// Milliseconds within which an IRC client has to register. Counter: `irc_timeouts`. Test:
/// `who_never_registers_is_closed`.
pub const IRC_REGISTRATION_MS: u64 = 60_000;

/// Milliseconds of silence after which an IRC client is asked whether it is there. Counter: none:
/// an ordinary question. Test: `who_does_not_answer_a_ping_is_closed`.
pub const IRC_PING_MS: u64 = 120_000;

/// Milliseconds that an IRC client has to answer that. Counter: `irc_timeouts`. Test:
/// `who_does_not_answer_a_ping_is_closed`.
pub const IRC_PONG_MS: u64 = 60_000;

/// Bytes that wait for an IRC client at which messages and log lines to it are left out. Counter:
/// `irc_skipped`. Test: `who_cannot_keep_up_is_told_how_much_it_missed`.
pub const IRC_OUT_BYTES_SOFT: usize = 64 * 1024;

/// Bytes that wait for an IRC client at which it is closed: nothing but who comes and goes fills
/// it so far. Counter: `irc_overrun`. Test: `who_never_reads_is_closed_at_a_bound`.
pub const IRC_OUT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that wait for all IRC clients together, in memory: when half of it is used, less may wait
/// for each before messages are left out; when all of it is, those are closed for whom more than
/// their share waits. Counter: `irc_overrun`. Test: `many_who_never_read_share_one_bound`.
pub const IRC_OUT_BYTES_ALL: usize = 8 * 1024 * 1024;

/// The least share of that. Counter: none: what is above it is counted. Test:
/// `many_who_never_read_share_one_bound`.
pub const IRC_OUT_BYTES_SHARE_MIN: usize = 16 * 1024;

/// Channels of IRC in all. Counter: none: the client is told with 437. Test:
/// `channels_in_all_are_bounded`.
pub const IRC_CHANNELS_MAX: usize = 1024;

/// Channels that one client of IRC may be in (CHANLIMIT). Counter: none: the client is told with
/// 405. Test: `channels_of_a_user_are_bounded`.
pub const IRC_CHANNELS_PER_USER_MAX: usize = 50;

/// Channels that one step of a command of IRC is about: each may have as many members as there are
/// clients. Counter: none: the next step goes on. Test:
/// `a_join_of_many_channels_waits_for_its_client`.
pub const IRC_CHANNELS_PER_STEP: usize = 16;

/// Users or channels that one command of IRC may be about (TARGMAX). Counter: none: the client is
/// told with 407. Test: `targets_of_a_command_are_bounded`.
pub const IRC_TARGETS_MAX: usize = 10;

/// Conditions of one LIST. Counter: none: the client is told with 407. Test:
/// `conditions_of_a_list_are_bounded`.
pub const IRC_LIST_CONDITIONS_MAX: usize = 20;

/// Masks of those banned from one channel (MAXLIST). Counter: none: the client is told with 478.
/// Test: `bans_of_a_channel_are_bounded`.
pub const IRC_BANS_MAX: usize = 50;

/// Invitations to one channel that wait. Counter: none: the oldest goes. Test:
/// `invitations_to_a_channel_are_bounded`.
pub const IRC_INVITATIONS_MAX: usize = 32;

/// Bytes of a topic (TOPICLEN). Counter: none: the rest is cut. Test:
/// `a_topic_is_cut_at_its_bound`.
pub const IRC_TOPIC_BYTES_MAX: usize = 390;

/// Bytes of the reason of a KICK (KICKLEN). Counter: none: the rest is cut. Test:
/// `a_kick_has_a_reason`.
pub const IRC_KICK_BYTES_MAX: usize = 255;

/// Bytes of the text that says why a client of IRC is away (AWAYLEN). Counter: none: the rest is
/// cut. Test: `an_away_text_is_cut_at_its_bound`.
pub const IRC_AWAY_BYTES_MAX: usize = 390;

/// Bytes of a real name on IRC (NAMELEN). Counter: none: USER cuts the rest, SETNAME is refused
/// with FAIL. Test: `a_real_name_changes_for_those_who_want_to_know`.
pub const IRC_REAL_NAME_BYTES_MAX: usize = 150;

/// Nicks that one USERHOST of IRC is about. RFC 2812, section 4.8. Counter: none: the rest is left
/// out. Test: `userhost_tells_of_five`.
pub const IRC_USERHOSTS_MAX: usize = 5;

/// Users that one step of a WHO of IRC looks at. Counter: none: the next step goes on. Test:
/// `a_who_of_many_waits_for_its_client`.
pub const IRC_WHO_ROWS_PER_STEP: usize = 16;

/// Bytes of the label of a command of IRC. IRCv3 labeled-response. Counter: none: the answer has
/// none. Test: `a_label_too_long_is_none`.
pub const IRC_LABEL_BYTES_MAX: usize = 64;

/// Messages that one CHATHISTORY of IRC tells (CHATHISTORY in 005). Counter: none: there may be
/// more before or behind. Test: none: 005 states it.
pub const IRC_HISTORY_MAX: usize = 100;

/// Nicks that a client of IRC may watch (MONITOR in 005). Counter: none: the client is told with
/// 734. Test: `a_user_watches_so_many_nicks`.
pub const IRC_MONITOR_MAX: usize = 100;

/// Users that IRC's `WHOWAS` remembers. Counter: none: the oldest goes. Test:
/// `whowas_remembers_so_many`.
pub const IRC_WHOWAS_MAX: usize = 128;

/// Nanoseconds of a turn for log channels. Counter: `turns_out_of_time`. Test: none: a share of
/// time.
pub const IRC_FEED_NS_PER_TURN: u64 = 50_000;

/// Nanoseconds of a turn for handing the clients of IRC what they are to be sent: a line may
/// concern a thousand. Short, for who sends log lines and who asks waits as long. Counter: none:
/// the next turn goes on. Test: none: a share of time.
pub const IRC_DELIVERY_NS_PER_TURN: u64 = 50_000;

/// Nanoseconds between two looks at the records for log channels, where there are always some.
/// Counter: none: they come together. Test: none: a pace.
pub const IRC_FEED_WAKE_NS: u64 = 2_000_000;

/// Bytes of IRC's message of the day that are read. Counter: none: the rest is not shown. Test:
/// `the_message_of_the_day_is_read_as_far_as_there_is_room`.
pub const IRC_MOTD_BYTES_MAX: u64 = 16 * 1024;
/// Messages that one record is said in: four full lines are more than anybody reads as they pass.
/// Counter: none: the end is left out, and an ellipsis stands for it.
/// Test: `a_long_record_is_split_at_spaces_and_ends_with_an_ellipsis`.
pub const IRC_PIECES_PER_RECORD_MAX: usize = 4;

/// Bytes of such a message at least, whatever the names around it leave: room for the time, the
/// longest level and its colour.
/// Counter: none: names are bounded so that there is more.
/// Test: `a_long_record_is_split_at_spaces_and_ends_with_an_ellipsis`.
pub const IRC_PIECE_BYTES_MIN: usize = 64;

/// Bytes of the host and the app in front of what a record says.
/// Counter: none: what is longer is left out. Test: `a_sender_too_long_is_left_out`.
pub const IRC_SENDER_BYTES_MAX: usize = 48;

/// Feeds of IRC: log channels, filters, streams to one user. Counter: none: no further is opened,
/// and who asks is told. Test: `feeds_are_bounded`.
pub const IRC_FEEDS_MAX: usize = 512;

/// Lines a second that a feed says, unless it is to say all; what is beyond is told as a number.
/// Counter: `irc_feed_skipped`. Test: `a_feed_above_its_rate_is_told_as_a_number`.
pub const IRC_FEED_LINES_PER_SECOND: u64 = 20;

/// Bytes of records that a feed takes in one step. Counter: none: the next step goes on. Test:
/// none: an amount of work.
pub const IRC_FEED_BYTES_PER_STEP: usize = 16 * 1024;

/// Records of a channel with several feeds that are known to have been said: of those before, one
/// might be said twice. Counter: none: the oldest is forgotten. Test:
/// `a_record_that_several_filters_match_is_said_once`.
pub const IRC_FEED_SAID_MAX: usize = 1024;

/// Records that LogBot answers with, at most, in a channel; and where it is not said how many.
/// Counter: none: the answer says how many there are. Test:
/// `a_question_is_answered_with_ten_lines`.
pub const IRC_ANSWER_LINES: u64 = 10;

/// Records that LogBot answers with to one alone. Counter: none: the answer says how many there
/// are. Test: `a_question_is_answered_with_ten_lines`.
pub const IRC_ANSWER_LINES_PRIVATE: u64 = 50;

/// Filters of all channels of IRC. Counter: none: no further is added, and who asks is told. Test:
/// `filters_and_alerts_are_bounded`.
pub const IRC_FILTERS_MAX: usize = 64;

/// Alerts of IRC: each looks at every record. Counter: none: no further is added, and who asks is
/// told. Test: `filters_and_alerts_are_bounded`.
pub const IRC_ALERTS_MAX: usize = 32;

/// Bytes of the name of an alert. Counter: none: who asks is told. Test:
/// `alerts_that_cannot_be_are_refused`.
pub const IRC_ALERT_NAME_BYTES_MAX: usize = 32;

/// Nanoseconds within which an alert counts, at most. Counter: none: who asks is told. Test:
/// `alerts_that_cannot_be_are_refused`.
pub const IRC_ALERT_NS_MAX: u64 = 24 * 3600 * 1_000_000_000;

/// Buckets in which an alert counts: its window is exact but for one of them. Counter: none: a
/// precision. Test: `an_alert_is_exact_within_one_bucket`.
pub const IRC_ALERT_BUCKETS: u64 = 60;

/// Bytes of the file of filters and alerts that are read. Counter: none: a longer one is reported
/// as bad. Test: `a_bad_file_of_filters_is_left_alone`.
pub const IRC_SAVED_BYTES_MAX: u64 = 256 * 1024;

/// Records of a CHATHISTORY that are sent in one step. Counter: none: the next step goes on. Test:
/// none: an amount of work.
pub const IRC_HISTORY_PER_STEP: usize = 8;

/// Milliseconds that an IRC client has to take its last words. Counter: `drains_cut_short`. Test:
/// `who_never_reads_is_closed_at_a_bound`.
pub const IRC_LAST_WORDS_MS: u64 = 5_000;
