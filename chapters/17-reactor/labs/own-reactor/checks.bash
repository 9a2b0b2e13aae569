# checks.bash -- programs that print the same with the student's library as with
# libevent: a check for each group of calls.
# shellcheck disable=SC2034 # for steps.bash

lab make 5 300
LIMIT_MS=6000 # a program plays all its scenes
: "${SEEDS:=2}"

check 2 "Stage 1: a loop around epoll_wait" descriptors \
  "the loop, and one event on each descriptor" \
  "事件循环；每个描述符上一个事件"
descriptors() {
  begin_group descriptors
  scene readable "readable: events of several descriptors, again and again until the bytes are read" \
    "readable：多个描述符上的事件；字节没读走，就一再触发"
  scene one-shot "one-shot: events without EV_PERSIST fire once, until they are added again" \
    "one-shot：没有 EV_PERSIST 的事件只触发一次，重新添加后再触发"
  scene writable "writable: EV_WRITE while there is room, and EV_READ with it in one call" \
    "writable：有空间就触发 EV_WRITE；与 EV_READ 同时就绪，只回调一次"
  scene results "results: what event_add, event_del, event_base_loop and dispatch return" \
    "results：event_add、event_del、event_base_loop、dispatch 的返回值"
  scene hang-up "hang-up: the other end of a pipe or a socket is closed" \
    "hang-up：管道或套接字的另一端关闭"
  scene refused "refused: a file, and a closed descriptor, cannot be added" \
    "refused：普通文件和已关闭的描述符不能添加"
}

check 3 "Stage 2: the descriptor map" shared \
  "several events on one descriptor" \
  "同一个描述符上有多个事件"
shared() {
  begin_group shared
  scene same "same: four readers of one descriptor, which come and go" \
    "same：同一个描述符上的四个读事件，时增时减"
  scene different "different: readers and writers, each is called for its own interest" \
    "different：有读有写，各得各的"
  scene one-shot "one-shot: what fires once does not take the others with it" \
    "one-shot：只触发一次的事件，不影响其他事件"
  scene closed "closed: EV_CLOSED when the peer half-closes" \
    "closed：对端半关闭时触发 EV_CLOSED"
  scene edges "edges: EV_ET tells of new bytes only" \
    "edges：EV_ET 只在有新数据时触发"
  scene reused "reused: a new socket with the number of the old one" \
    "reused：新套接字用了旧套接字的号码"
}

check 3 "Stage 3: the timer heap" timers \
  "timers: in order, not too early, again and again" \
  "定时器：按次序，不提前，可反复"
timers() {
  # On a busy machine a timer may be late for either side.
  TRIES=5
  begin_group timers
  scene order "order: twenty timers, some of them deleted, moved, or over already" \
    "order：二十个定时器，有的被删，有的被改，有的早已到期"
  scene pending "pending: what event_pending says of a timer, and when it is due" \
    "pending：event_pending 怎样描述定时器和到期时间"
  scene persistent "persistent: the interval counts from when the last one was due" \
    "persistent：间隔从上一次应到期的时刻算起"
  scene with-descriptor "with-descriptor: an event with a descriptor and a time-out" \
    "with-descriptor：事件既有描述符又有超时"
  scene sleeps "sleeps: the loop sleeps until the first timer is due" \
    "sleeps：最近的定时器到期之前，循环一直休眠"
}

check 3 "What goes wrong" callbacks \
  "adding, deleting and freeing in callbacks" \
  "在回调里添加、删除、释放事件"
callbacks() {
  begin_group callbacks
  scene active "active: active events are called in the order of being activated" \
    "active：激活的事件按激活的先后回调"
  scene frees-itself "frees-itself: a callback frees its own event" \
    "frees-itself：回调释放自己的事件"
  scene frees-others "frees-others: a callback frees events that are active too" \
    "frees-others：回调释放同样处于激活状态的其他事件"
  scene adds-again "adds-again: a callback adds or activates its own event" \
    "adds-again：回调重新添加或激活自己的事件"
  scene changes-others "changes-others: a callback deletes, adds and activates others" \
    "changes-others：回调删除、添加、激活其他事件"
  scene replaces "replaces: a callback closes a ready socket, whose number is used again at once" \
    "replaces：回调关闭已就绪的套接字，它的号码马上又被使用"
  scene assigned "assigned: event_assign, for an event in the program's own memory" \
    "assigned：event_assign，事件放在程序自己的内存里"
}

check 2 "Stage 6: libevent's API on top" ends \
  "what ends a loop, and event_base_once" \
  "循环怎样结束；event_base_once"
ends() {
  TRIES=3
  begin_group ends
  scene breaks "breaks: after event_base_loopbreak, the other active events wait for the next loop" \
    "breaks：event_base_loopbreak 之后，其他激活的事件留给下一次循环"
  scene exits "exits: after event_base_loopexit, the active events are still called" \
    "exits：event_base_loopexit 之后，激活的事件照样回调"
  scene timed "timed: loopexit with a time; a loop that does not end when it is empty" \
    "timed：带时间的 loopexit；没有事件也不结束的循环"
  scene before "before: an exit before the loop is kept, a break is not" \
    "before：循环开始前的 loopexit 有效，loopbreak 无效"
  scene nested "nested: in a callback, another base can run, the same one cannot" \
    "nested：回调里可以运行别的 base，不能运行同一个"
  scene once "once: event_base_once at once, later, for a descriptor, and refused" \
    "once：event_base_once：立即、稍后、等描述符、被拒绝"
}

check 2 "Stage 4: signals" signals \
  "signals, whose callbacks run in the loop" \
  "信号：回调在循环里运行"
signals() {
  TRIES=3
  begin_group signals
  scene counts "counts: each event is called as often as its signal came" \
    "counts：信号来几次，就回调几次"
  scene restores "restores: without events, a signal does what it did before; the base is empty" \
    "restores：没有事件之后，信号恢复原来的处理方式，base 也空了"
  scene in-callback "in-callback: no call follows once the event is deleted or freed" \
    "in-callback：事件被删除或释放之后，不再回调"
  scene wakes "wakes: a signal wakes the loop" "wakes：信号唤醒循环"
  scene interrupted "interrupted: a signal of somebody else does not end the loop" \
    "interrupted：与库无关的信号不会让循环结束"
  scene refused "refused: SIGKILL, a number that is no signal, EV_SIGNAL with EV_READ" \
    "refused：SIGKILL、不存在的信号、EV_SIGNAL 加 EV_READ"
  scene mixed "mixed: adding, deleting and raising in any order" \
    "mixed：添加、删除、发信号，次序任意"
}

check 2 "Stage 5: priorities" priorities \
  "priorities: the urgent first" \
  "优先级：紧急的先运行"
priorities() {
  begin_group priorities
  scene order "order: one queue after the other" "order：队列一个一个地运行"
  scene middle "middle: without event_priority_set, an event has the middle priority" \
    "middle：没有调用 event_priority_set 的事件取中间的优先级"
  scene urgent "urgent: what is activated in a callback and more urgent comes next" \
    "urgent：回调里激活了更紧急的事件，下一个就轮到它"
  scene descriptors "descriptors: between two queues, epoll is asked again" \
    "descriptors：运行完一个队列，先再问一次 epoll"
  scene results "results: priorities that do not exist, and changes while an event is active" \
    "results：不存在的优先级；事件处于激活状态时不能修改"
}

check 3 "What goes wrong" memory \
  "much of everything, and nothing is left" \
  "大量对象，用后不留痕迹"
memory() {
  begin_group memory leaks
  scene bases "bases: 300 bases, one after the other, give back their descriptors and memory" \
    "bases：先后建立 300 个 base，描述符和内存都归还"
  scene descriptors "descriptors: 180 descriptors, all of them ready" \
    "descriptors：180 个描述符全部就绪"
  scene timers "timers: 3,000 timers, added, moved and deleted 18,000 times" \
    "timers：3000 个定时器，添加、修改、删除 18000 次"
  scene leaves "leaves: a base is freed while events are pending and active" \
    "leaves：还有未决和激活的事件，就释放 base"
  scene calls "calls: 1,500 random calls, also in callbacks" \
    "calls：1500 次随机调用，回调里也调用"
}

# Leaks are looked for in the last group only, so that they cost the points of one.
begin_group() { # PROGRAM [leaks]
  step "$1.c can be linked with own-reactor.c" "$1.c 能与 own-reactor.c 链接"
  build_with_library "$1"
  if [[ ${2-} ]]; then find_all_leaks; else ignore_leaks; fi
  # shellcheck disable=SC2086 # numbers
  run_both $SEEDS
}

scene() { # SCENE EN ZH
  step "$2" "$3"
  expect_same_part "$1"
}
