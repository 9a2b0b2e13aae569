setup() {
  load lib/course
}

teardown() {
  course_teardown
}

@test "on a pair the bytes are across before bufferevent_write returns, callbacks come later" {
  run -0 scene callback-order "a pair"
  assert_output "a: bufferevent_write, 100 bytes
a: bufferevent_write has returned, 0 bytes in the output
b: read callback, 100 bytes in the input
a: write callback, 0 bytes in the output
a: bufferevent_flush, BEV_FINISHED
b: read callback, 0 bytes in the input
b: event callback, READING EOF
a: write callback, 0 bytes in the output"
}

@test "on sockets the write callback comes when the kernel has taken the output (T1)" {
  run -0 scene callback-order "sockets"
  assert_output "a: bufferevent_write, 100 bytes
a: bufferevent_write has returned, 100 bytes in the output
a: write callback, 0 bytes in the output
b: read callback, 100 bytes in the input
a: freed, which closes its socket
b: event callback, READING EOF"
}

@test "the write callback comes when the output is at the low-water mark or below (T1)" {
  run -0 scene callback-order "a pair, a's write low-water mark at 1000 bytes"
  assert_line --index 1 "a: bufferevent_write has returned, 1900 bytes in the output"
  assert_line --index 2 "b: read callback, 600 bytes in the input"
  while read -r _ _ _ length _; do
    ((length <= 1000)) || fail "a write callback with $length bytes queued"
  done < <(grep "write callback" <<<"$output")
  assert_line --index 8 "a: write callback, 0 bytes in the output"
}

@test "a deferred callback runs after the call that caused it, not inside it" {
  run -0 scene callback-order "sockets, callbacks not deferred"
  assert_output "a: bufferevent_trigger
a: write callback, 0 bytes in the output
a: bufferevent_trigger has returned"
  run -0 scene callback-order "sockets, BEV_OPT_DEFER_CALLBACKS"
  assert_output "a: bufferevent_trigger
a: bufferevent_trigger has returned
a: write callback, 0 bytes in the output"
}

@test "below the read low-water mark there is no read callback" {
  run -0 scene watermarks "read low-water mark 10: no callback below it"
  assert_output "the peer sends 7 bytes
the peer sends 3 bytes
read callback 1: 10 bytes in the input
the peer sends 1 bytes
read callback 2: 11 bytes in the input"
}

@test "what lies below the read low-water mark at the end of file brings no read callback" {
  run -0 scene watermarks "read low-water mark 10, the peer ends before it is reached"
  assert_output "the peer sends 7 bytes
event callback: READING EOF
left: 7 bytes, for which no read callback was called"
}

@test "the input never grows past the read high-water mark" {
  run -0 scene watermarks "read high-water mark 8: the input never grows past it"
  assert_equal "$(grep -c ": 8 bytes in the input" <<<"$output")" 4
  refute_line --regexp ": (9|[1-9][0-9]+) bytes in the input"
}

@test "bytes left in the input do not call the read callback again (T2)" {
  run -0 scene watermarks "read high-water mark 8: the input never grows past it"
  assert_line "left: 4 bytes: no new byte came"
}

@test "with EV_READ disabled bytes and end of file wait until it is enabled (T6)" {
  run -0 scene bufferevent-calls "bufferevent_disable(EV_READ): bytes and end of file wait"
  assert_output "the peer sends 5 bytes
bufferevent_enable(EV_READ)
read callback 1: 5 bytes in the input
event callback: READING EOF"
}

@test "the write high-water mark limits nothing, and a lost peer is WRITING ERROR" {
  run -0 scene watermarks "write high-water mark 10, 1000000 bytes written, no reader"
  assert_line --index 0 "in the output: 1000000 bytes"
  assert_line --index 1 "when the kernel is full: more than 10 bytes, no callback"
  assert_line --index 3 "event callback: WRITING ERROR"
}

@test "read copies, read_buffer moves, and so do write and write_buffer" {
  run -0 scene bufferevent-calls "bufferevent_read copies, bufferevent_read_buffer moves"
  assert_line 'read: 5 bytes, "hello"'
  assert_line "read_buffer: 7 bytes, input 0"
  assert_line "write and write_buffer: output 12 bytes, buffer 0"
}

@test "a bufferevent tells its callbacks, its watermarks and its partner (D3)" {
  run -0 scene bufferevent-calls "what a bufferevent tells of itself"
  assert_output "getcb: look_cb for reading, none for writing
getwatermark: low 2, high 10
trigger_event:
event callback: ERROR
pair_get_partner: the other end
after it is freed: NULL"
}

@test "a read timeout is an event READING TIMEOUT and disables reading" {
  run -0 scene bufferevent-calls "bufferevent_set_timeouts, 0.1 s without a byte to read"
  assert_output "event callback: READING TIMEOUT
EV_READ is now disabled"
}
