setup() {
  load lib/course
}

teardown() {
  course_teardown
}

@test "the parts of a URI are as they were written, and what is not there is told from what is empty" {
  run -0 scene uri-tour "http://me@localhost:8080/a%20b?x=1#top"
  assert_output 'scheme     "http"
userinfo   "me"
host       "localhost"
port       8080
path       "/a%20b"
query      "x=1"
fragment   "top"'
  run -0 scene uri-tour "/hello?name=you"
  assert_line 'host       none'
  assert_line 'port       -1'
}

@test "a host and a port without http:// are taken for a scheme and a path" {
  run -0 scene uri-tour "localhost:8080/hello"
  assert_line 'scheme     "localhost"'
  assert_line 'host       none'
  assert_line 'path       "8080/hello"'
}

@test "a flag lets blanks and other wrong characters pass in a path, but no wrong host and port (H32)" {
  run -0 scene uri-tour "what is refused, and what with EVHTTP_URI_NONCONFORMANT"
  assert_output 'http://localhost/a b         refused  taken
http://localhost/a|b         refused  taken
http://localhost/%zz         refused  taken
http://local host/           refused  refused
http://localhost:99999/      refused  refused
http://localhost:80x/        refused  refused'
}

@test "a text is decoded once, a plus only in a query, and a NUL is seen (H31 H33 H34)" {
  run -0 scene uri-tour "decoding"
  assert_output 'a%20b      in a path: "a b", 3 bytes
a+b        in a path: "a+b", 3 bytes
a+b        in a query: "a b", 3 bytes
100%2541   in a path: "100%41", 6 bytes
a%zz       in a path: "a%zz", 4 bytes
a%00b      in a path: "a", 3 bytes: a NUL'
}

@test "what is encoded is what the other end decodes" {
  run -0 scene uri-tour "encoding"
  assert_output "evhttp_encode_uri            a%20b%2Fc%3Fd%26e
evhttp_uriencode, as a query a+b
evhttp_htmlescape            &lt;a title=&#039;&amp;&#039;&gt;"
}

@test "the values of a query are decoded, its names are not, and a name alone makes it wrong" {
  run -0 scene uri-tour "the fields of x=1&x=2&na%6De=a+b%26c&z="
  assert_output '"x" is "1"
"x" is "2"
"na%6De" is "a b&c"
"z" is ""'
  run -0 scene uri-tour "the fields of x&y=1"
  assert_output refused
}

@test "a URI is made out of parts that are encoded already (H35)" {
  run -0 scene uri-tour "made out of parts"
  assert_output 'evhttp_uri_set_scheme: http                    taken
evhttp_uri_set_userinfo: me                    taken
evhttp_uri_set_host: ::1                       refused
evhttp_uri_set_host: [::1]                     taken
evhttp_uri_set_port: 8080                      taken
evhttp_uri_set_path: /a b                      refused
the same, not so strict                        taken
evhttp_uri_set_path: /a%20b                    taken
evhttp_uri_set_query: x=1                      taken
evhttp_uri_set_fragment: top                   taken
http://me@[::1]:8080/a%20b?x=1#top'
}

@test "uri-tour takes no arguments" {
  run -2 course uri-tour http://localhost/
  assert_output "usage: uri-tour"
}
