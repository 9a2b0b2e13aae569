# checks.bash -- a guest book whose names come back as they were typed, in each place.

lab mend 3 30
[[ ${NAMES-} ]] || NAMES="Ann O'Neil&Sons <b>Bob</b> 中文"
[[ ${QUOTED-} ]] || QUOTED='say_"hi" C:\new \u0041'
: "${TIMES:=20}"

# What was read from a page: the names, each name as the page has it, and the rest of the
# page from the first mistake on.
READ=() RAW=() REST=''

# For perl: a text as one line, with a picture for each control character (␊ is a
# newline) and <E4> for a byte that is no UTF-8. The student's backslashes stay as they are.
# shellcheck disable=SC2016 # perl's own $
SHOW='
  sub utf8 { my $c = shift; utf8::encode(my $text = chr $c); $text }
  sub show {
    my $text = shift;
    my $char = qr/[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/;
    $text =~ s/($char)|(.)/defined $2 ? sprintf "<%02X>", ord $2 : $1/gse;
    $text =~ s/([\x00-\x1f\x7f])/utf8(0x2400 + (ord $1 < 32 ? ord $1 : 33))/ge;
    $text
  }'

# A name as show prints it; a long text is printed without its middle.
shown() { # NAME
  printf '%s' "$1" | LC_ALL=C perl -0777 -ne "$SHOW"' print show($_)'
}

short() { # TEXT
  printf '%s' "$1" | LC_ALL=C perl -0777 -pe 's/^(.{44}[\x80-\xbf]*).*?([^\x80-\xbf].{28})$/$1 ... $2/s if length > 100'
}

# Ask for ASKED with curl. CODE is the status, PLACE the header Location, CAME the body.
asks() { # CURL-ARGUMENT...
  local line lines
  ASKED=${*: -1} CODE='' PLACE=''
  : >"$WORK/head"
  CAME=$(curl -s --path-as-is -m 5 -D "$WORK/head" "${@:1:$#-1}" "http://127.0.0.1:$PORT${*: -1}" 2>/dev/null) || CAME="no answer"
  mapfile -t lines <"$WORK/head"
  for line in "${lines[@]%$'\r'}"; do
    case ${line,,} in
      http/*) CODE=${line#* } CODE=${CODE%% *} ;;
      location:*) PLACE=${line#*: } ;;
    esac
  done
}

# A name as a browser sends it: each byte that is neither a letter nor a digit as %XX.
encode() { # NAME
  printf '%s' "$1" | LC_ALL=C perl -0777 -pe 's/([^A-Za-z0-9])/sprintf "%%%02X", ord $1/ge'
}

signs() { # QUERY
  asks "/sign?$1"
  expect_status 303
}

# A name is written into the book. Location belongs to another check: with a line break
# in it the status is 500.
enters() { # NAME
  asks "/sign?name=$(encode "$1")"
  [[ $CODE == 500 ]] || expect_status 303
}

refuses() { # QUERY
  asks "/sign?$1"
  expect_status 400
}

expect_status() { # CODE
  [[ $CODE == "$1" ]] || unexpected "the status $1" "状态码 $1" "the status ${CODE:-none}" "状态码 ${CODE:-无}"
}

unexpected() { # EXPECTED IN-CHINESE CAME IN-CHINESE [WHY IN-CHINESE]
  detail sent "$(short "$ASKED")"
  detail expected "$1" "$2"
  detail came "$(short "$3")" "$(short "$4")"
  fail "${@:5}"
}

# Set READ, RAW and REST by a Perl program, which puts each name and its form in the page
# into @names, and what is not such a list into $wrong.
read_page() { # PATH PROGRAM
  local lines i
  asks "$1"
  mapfile -t lines < <(printf '%s' "$CAME" | LC_ALL=C perl -0777 -ne \
    "$SHOW"' my ($wrong, @names) = "";'"$2"' print map { show($_) . "\n" } $wrong, @names')
  REST=${lines[0]-} READ=() RAW=()
  for ((i = 1; i < ${#lines[@]}; i += 2)); do
    READ+=("${lines[i]}") RAW+=("${lines[i + 1]}")
  done
}

# shellcheck disable=SC2016 # perl's own $
read_json() {
  read_page /guests '
    my %short = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");
    my $string = qr/"(?:[^"\\\x00-\x1f]|\\(?:["\\\/bfnrt]|u[0-9a-fA-F]{4}))*+"/;
    my $end = qr/\]\s*\}\s*\z/;
    my $good = /^\s*\{\s*"guests"\s*:\s*\[\s*/gc;
    my $from = pos // 0;
    my $ended = $good && /\G$end/gc;
    while ($good && !$ended && /\G($string)\s*(?:,\s*|($end))/gc) {
      (my $raw, $from, $ended) = ($1, pos, defined $2);
      my $text = substr $raw, 1, -1;
      $text =~ s/\\(?:u(....)|(.))/defined $2 ? $short{$2} \/\/ $2 : utf8(hex $1)/ge;
      push @names, $text, $raw;
    }
    $wrong = substr($_, $from) || $_ unless $ended;'
}

# shellcheck disable=SC2016 # perl's own $
read_html() {
  read_page / '
    my %words = (lt => "<", gt => ">", amp => "&", quot => "\"", apos => "\x27");
    my $entity = qr/&(?:(lt|gt|amp|quot|apos)|#(\d{1,6})|#x([0-9a-f]{1,5}));/i;
    my $good = /<ul>\s*/gc;
    my $from = pos // 0;
    while ($good && /\G<li>((?:[^<&]|$entity)*+)<\/li>\s*/gc) {
      (my $text, $from) = ($1, pos);
      my $raw = "<li>$text</li>";
      $text =~ s/$entity/defined $1 ? $words{lc $1} : utf8($2 \/\/ hex $3)/ge;
      push @names, $text, $raw;
    }
    $wrong = substr($_, $from) || $_ unless $good && /\G<\/ul>/gc;'
}

# These names are in the JSON, or in the HTML, and no others. The first one that is not
# there as it should be is reported, as it stands in the page.
names_in() { # json|html NAME...
  local i en='text of HTML' zh='HTML 里的文本'
  [[ $1 == html ]] || en='a string of JSON' zh='JSON 里的字符串'
  "read_$1"
  shift
  for ((i = 1; i <= $#; i++)); do
    [[ ${RAW[i - 1]-} && ${READ[i - 1]} == "${!i}" ]] ||
      not_so "$i" "${!i}" "$en" "$zh" "${RAW[i - 1]-$REST}"
  done
  [[ ! $REST ]] || unexpected "the end of the list" "列表结束" "$REST" "$REST"
  ((${#READ[@]} == $#)) || unexpected "names: $#" "名字数：$#" "one more: ${RAW[$#]}" "还有一个：${RAW[$#]}"
}

not_so() { # NUMBER NAME AS IN-CHINESE CAME
  local name why=()
  name=$(short "$2")
  [[ ! $REST || $5 != "$REST" ]] || why=("from there on the page is not well formed" "从这里开始，页面的格式不对")
  unexpected "name $1, $name, as $3" "第 $1 个名字 $name，作为 $4" "$5" "$5" "${why[@]}"
}

# Location leads to the name. A "+" in its query is a space.
place_of() { # NUMBER NAME
  local safe="^/\\?new=[A-Za-z0-9._~%+!\$'()*,:@/?;=-]*\$" value
  value=$(printf '%s' "${PLACE#*new=}" | LC_ALL=C perl -0777 -pe 's/\+/ /g; s/%([0-9a-fA-F]{2})/chr hex $1/ge')
  [[ $PLACE =~ $safe && $value == "$2" ]] ||
    not_so "$1" "$(shown "$2")" "the value of new, with %XX" "new 的值（用 %XX）" "$PLACE"
}

# After TIMES requests the program holds no more memory than was noted. (A connection that
# comes before the last one is closed has a new descriptor, for which libevent keeps 16
# bytes.) If it holds more, the sanitizer may know where it was allocated.
nothing_held() { # FOR IN-CHINESE
  find_allocated
  ((IN_USE >= ALLOCATED + 8 * TIMES)) || return 0
  detail expected "0 bytes that are still held for $1" "仍为$2占用 0 字节"
  detail came "$((IN_USE - ALLOCATED)) bytes" "$((IN_USE - ALLOCATED)) 字节"
  signal TERM
  ! until_true has_ended "$RUN" || await_status
  [[ $WAITED != yes || $STATUS != 0 ]] || fail "this memory is freed only when the program ends" "这些内存到程序结束时才释放"
  fail
}

check 1 "http-api" answers \
  "names are kept, and come back in three places" \
  "名字保存下来，在三处返回"
answers() {
  step "the server listens" "服务器开始监听"
  start
  expect_line '^listening on 127.0.0.1 port [0-9]+$'
  step "a guest signs, and is led to the book" "客人签名，被带到留言簿"
  signs "name=Ann"
  [[ $PLACE == "/?new=Ann" ]] || unexpected "Location: /?new=Ann" "Location: /?new=Ann" "$PLACE" "$PLACE"
  step "Eve signs too: both names are in the HTML and in the JSON" "Eve 也签名：HTML 和 JSON 里都有这两个名字"
  signs "x=y&name=Eve"
  names_in html Ann Eve
  names_in json Ann Eve
  step "without a name there is no entry" "没有名字，就不登记"
  refuses "name="
  refuses "x=y"
  names_in html Ann Eve
}

check 2 "From a path to a file" in_html \
  "in HTML a name is text, whatever it holds" \
  "在 HTML 里，名字只是文本，无论含有什么"
in_html() {
  local name names=()
  start
  for name in $NAMES '"a"' '<script>alert(1)</script>' '&lt;'; do
    names+=("$(shown "$name")")
    step "name ${#names[@]}, with tags, quotes or entities, comes back" "第 ${#names[@]} 个名字（含标签、引号或实体）原样返回"
    enters "$name"
    names_in html "${names[@]}"
  done
}

check 2 "http-api" in_json \
  "in JSON a name is a string, whatever it holds" \
  "在 JSON 里，名字只是字符串，无论含有什么"
in_json() {
  local name names=()
  start
  for name in $QUOTED $'a\nb' $'\x01\x1f' '"]}' 中文; do
    names+=("$(shown "$name")")
    step "name ${#names[@]}, with what JSON takes for its own, comes back" "第 ${#names[@]} 个名字（含 JSON 的特殊字符）原样返回"
    enters "$name"
    names_in json "${names[@]}"
  done
}

check 1 "From a path to a file" in_the_place \
  "in a URL a name is a value, whatever it holds" \
  "在 URL 里，名字只是一个值，无论含有什么"
in_the_place() {
  local name i=0
  start
  for name in $NAMES 'a&b=c' 'a#b' '100%' 'a b' '1+1' $'x\r\nSet-Cookie: y=z'; do
    i=$((i + 1))
    step "Location says name $i, with what URLs take for their own" "Location 里是第 $i 个名字（含 URL 的特殊字符）"
    signs "name=$(encode "$name")"
    place_of "$i" "$name"
    ! grep -qi '^set-cookie' "$WORK/head" || fail "the name has become a field of the answer" "名字成了应答的一个字段"
  done
}

check 1 "From a path to a file" decodes_once \
  "a name is decoded once" \
  "名字只解码一次"
decodes_once() {
  start
  step 'name=%2541 is the name %41' "name=%2541 就是名字 %41"
  signs "name=%2541"
  names_in json "%41"
  step "a + is a space, %2B is a +" "加号是空格，%2B 才是加号"
  signs "name=a+b%2Bc"
  names_in json "%41" "a b+c"
}

check 1 "http-api" refuses_nul \
  "a name with a NUL is refused, and not cut off there" \
  "含 NUL 的名字被拒绝，而不是从那里截断"
refuses_nul() {
  local query
  start
  for query in 'name=a%00b' 'name=%00' 'name=ab%00'; do
    step "$query is refused" "$query 被拒绝"
    refuses "$query"
  done
  step "none of them is in the book, but %2500 is the name %00" "它们都没有登记；而 %2500 就是名字 %00"
  signs "name=%2500"
  names_in json "%00"
}

check 1 "From a path to a file" counts_bytes \
  "a name may have 200 bytes once it is decoded, and no more" \
  "名字解码后可以有 200 字节，再多不行"
counts_bytes() {
  local letters wide
  letters=$(printf '%0194d' 0)Eleven wide=$(printf '中%.0s' {1..66})é
  start
  step "a name of exactly 200 bytes is taken" "正好 200 字节的名字可以登记"
  enters "$letters"
  names_in html "$letters"
  step "so is one of 200 bytes that are all sent as %XX" "200 字节全写成 %XX 的名字，也可以登记"
  enters "$wide"
  names_in html "$letters" "$wide"
  step "one of 201 bytes is refused" "201 字节的名字被拒绝"
  refuses "name=0$letters"
  step "so is one of 67 characters that has 201 bytes" "只有 67 个字符，却有 201 字节的名字，也被拒绝"
  refuses "name=$(encode "${wide%é}中")"
  names_in html "$letters" "$wide"
}

check 1 "http-api" ends_well \
  "nothing is held for what was answered, and the program ends well" \
  "应答完的请求不占内存，程序干净地结束"
ends_well() {
  local i query queries=('x=%22')
  watch_allocated # and not find_all_leaks: libc keeps its time zone, which Date needs
  start
  step "$TIMES pages in HTML and $TIMES in JSON cost no memory" "$TIMES 个 HTML 页面和 $TIMES 个 JSON 页面，不占内存"
  signs "name=$(printf '%060d' 0)"
  asks / && asks /guests
  refuses "${queries[0]}"
  # Other checks look at whether these have to be refused.
  for query in 'name=' 'name=a%00b' "name=$(printf '%0201d' 0)"; do
    asks "/sign?$query"
    [[ $CODE != 400 ]] || queries+=("$query")
  done
  note_allocated
  for ((i = 0; i < TIMES; i++)); do asks / && asks /guests; done
  nothing_held "$((2 * TIMES)) pages that were sent" "已发送的 $((2 * TIMES)) 个页面"
  step "$TIMES refused requests cost no memory" "$TIMES 个被拒绝的请求，不占内存"
  for ((i = 0; i < TIMES; i++)); do refuses "${queries[i % ${#queries[@]}]}"; done
  nothing_held "$TIMES refused requests" "被拒绝的 $TIMES 个请求"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}
