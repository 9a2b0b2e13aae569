/* rooms.c -- rooms, names, history, and what a line means; knows no socket. */
#include <err.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "names.h"
#include "rooms.h"

enum {
    HISTORY = 20,               /* lines that one who joins is shown */
    CROWD = 100,                /* comings and goings are not told to more */
    MOST = 1000,                /* names that a list shows */
    TEXT = LINE + 2 * NAME + 64 /* bytes of the longest line that we make */
};

struct room {
    struct name name;
    char *history[HISTORY]; /* a ring, of the lines said here */
    size_t said;            /* lines so far: the next one's place */
    size_t count;           /* of people */
    LIST_HEAD(neighbours, person) people;
    LIST_ENTRY(room) next;
};

struct person {
    struct name name; /* none until one is given */
    struct rooms *rooms;
    struct room *room; /* NULL until there is a name */
    show_function *show;
    void *arg;
    LIST_ENTRY(person) next;      /* of all */
    LIST_ENTRY(person) neighbour; /* in the room */
};

struct rooms {
    LIST_HEAD(room_list, room) rooms;
    LIST_HEAD(person_list, person) people;
    struct room *lobby; /* where all come in; the only one that may be empty */
};

struct command {
    const char *name;
    const char *help;
    bool (*run)(struct person *person, char *text); /* false: it goes */
    bool nameless; /* also for one who has no name yet */
};

/* Show a line to one person; its newline is added here. */
__attribute__((format(printf, 2, 3))) static void show(
    struct person *person, const char *format, ...)
{
    char text[TEXT];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text[length++] = '\n';
    person->show(person->arg, text, (size_t)length);
}

/* Show a line, newline and all, to all who are in a room but one. */
static void show_room(
    struct room *room, const struct person *except, const char *text)
{
    struct person *other;
    size_t length = strlen(text);

    LIST_FOREACH (other, &room->people, neighbour) {
        if (other != except)
            other->show(other->arg, text, length);
    }
}

/* Tell the others that PERSON comes or goes. In a crowd nobody wants to know,
 * and 1,000 who come would cost 500,000 lines. */
static void announce(struct person *person, const char *how)
{
    char text[TEXT];

    if (person->room->count > CROWD)
        return;
    snprintf(text, sizeof(text), "* %s %s\n", person->name.text, how);
    show_room(person->room, person, text);
}

static struct room *room_find(struct rooms *rooms, const struct name *name)
{
    struct room *room;

    LIST_FOREACH (room, &rooms->rooms, next) {
        if (strcmp(room->name.key, name->key) == 0)
            return room;
    }
    return NULL;
}

static struct room *room_new(struct rooms *rooms, const struct name *name)
{
    struct room *room = calloc(1, sizeof(*room));

    if (!room)
        return NULL;
    room->name = *name;
    LIST_INIT(&room->people);
    LIST_INSERT_HEAD(&rooms->rooms, room, next);
    return room;
}

static void room_free(struct room *room)
{
    for (size_t i = 0; i < HISTORY; i++)
        free(room->history[i]);
    LIST_REMOVE(room, next);
    free(room);
}

/* Without memory the line was said all the same, but is soon forgotten. */
static void room_remember(struct room *room, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        return;
    char **place = &room->history[room->said++ % HISTORY];
    free(*place);
    *place = copy;
}

static void show_history(struct person *person, const struct room *room)
{
    size_t first = room->said > HISTORY ? room->said - HISTORY : 0;

    if (room->said > 0)
        show(person, "* said here before:");
    for (size_t i = first; i < room->said; i++) {
        const char *text = room->history[i % HISTORY];

        person->show(person->arg, text, strlen(text));
    }
}

static void leave(struct person *person, const char *how)
{
    struct room *room = person->room;

    if (!room)
        return;
    if (how)
        announce(person, how);
    LIST_REMOVE(person, neighbour);
    person->room = NULL;
    if (--room->count == 0 && room != person->rooms->lobby)
        room_free(room);
}

static void enter(struct person *person, struct room *room)
{
    person->room = room;
    room->count++;
    LIST_INSERT_HEAD(&room->people, person, neighbour);
    show(person, "* you are in %s (%zu here)", room->name.text, room->count);
    show_history(person, room);
    announce(person, "is here");
}

/* The bytes of the first character of TEXT, whose number goes to CODE, or 0 if
 * there is none: RFC 3629 knows one way alone to write a number, none for the
 * surrogates of UTF-16, and no number above 10FFFF. */
static size_t character(
    const unsigned char *text, size_t left, unsigned long *code)
{
    static const struct {
        unsigned char mask, lead;
        unsigned long least;
    } forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000}};
    size_t size = 0;

    while (size < 4 && (text[0] & forms[size].mask) != forms[size].lead)
        size++;
    if (size == 4 || size >= left)
        return 0;
    *code = text[0] & (unsigned char)~forms[size].mask;
    for (size_t i = 1; i <= size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    if (*code < forms[size].least || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return size + 1;
}

/* Why a line cannot be shown to others, or NULL. A control character would move
 * the cursor of a reader's terminal, or worse; U+0080 to U+009F do as well. */
static const char *bad_text(const char *text, size_t length)
{
    unsigned long code;

    if (length > LINE)
        return "it is too long";
    for (size_t i = 0, size; i < length; i += size) {
        size = character((const unsigned char *)text + i, length - i, &code);
        if (size == 0)
            return "it is not UTF-8";
        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return "it has a control character";
    }
    return NULL;
}

/* Make NAME from TEXT, or tell the person why not, and return false. */
static bool make_name(
    struct person *person, struct name *name, const char *text)
{
    int result = name_make(name, text);

    if (result < 0)
        show(person, "* there is no memory for a name; try again");
    else if (result == 0)
        show(person, "* a name is 1 to %d bytes: letters, digits, '-' and '_'",
            NAME);
    return result > 0;
}

static struct person *person_find(struct rooms *rooms, const struct name *name)
{
    struct person *person;

    LIST_FOREACH (person, &rooms->people, next) {
        if (strcmp(person->name.key, name->key) == 0)
            return person;
    }
    return NULL;
}

/* End the first word of TEXT; what is behind it is returned. */
static char *split(char *text)
{
    char *end = text + strcspn(text, " ");

    if (*end == '\0')
        return end;
    *end = '\0';
    return end + 1 + strspn(end + 1, " ");
}

static bool nick_command(struct person *person, char *text)
{
    struct name name;
    char how[NAME + 16];

    if (!make_name(person, &name, text))
        return true;
    struct person *other = person_find(person->rooms, &name);
    if (other && other != person) {
        show(person, "* the name %s is taken", name.text);
        return true;
    }
    snprintf(how, sizeof(how), "is now %s", name.text);
    if (person->room)
        announce(person, how);
    person->name = name;
    show(person, "* you are %s", name.text);
    if (!person->room)
        enter(person, person->rooms->lobby);
    return true;
}

static bool join_command(struct person *person, char *text)
{
    struct name name;

    if (!make_name(person, &name, text))
        return true;
    struct room *room = room_find(person->rooms, &name);
    if (!room)
        room = room_new(person->rooms, &name);
    if (!room) {
        show(person, "* there is no memory for a room; try again");
    } else if (room == person->room) {
        show(person, "* you are in %s already", room->name.text);
    } else {
        leave(person, "has gone to another room");
        enter(person, room);
    }
    return true;
}

static bool msg_command(struct person *person, char *text)
{
    char *line = split(text);
    struct name name;
    struct person *other = NULL;

    if (*text == '\0' || *line == '\0') {
        show(person, "* /msg NAME TEXT");
        return true;
    }
    if (name_make(&name, text) > 0)
        other = person_find(person->rooms, &name);
    if (!other) {
        show(person, "* nobody here is called %s", text);
        return true;
    }
    show(other, "[%s] %s", person->name.text, line);
    show(person, "[to %s] %s", other->name.text, line);
    return true;
}

/* Several names make a line: a line for each would be a flood. */
static bool who_command(struct person *person, char *text)
{
    struct person *other;
    char names[4 * (NAME + 1) + 1];
    size_t used = 0, shown = 0;

    show(person, "* in %s: %zu", person->room->name.text, person->room->count);
    LIST_FOREACH (other, &person->room->people, neighbour) {
        if (shown++ == MOST)
            break;
        used += (size_t)snprintf(
            names + used, sizeof(names) - used, " %s", other->name.text);
        if (used + NAME + 1 >= sizeof(names)) {
            show(person, "*  %s", names);
            used = 0;
        }
    }
    if (used > 0)
        show(person, "*  %s", names);
    if (shown > MOST)
        show(person, "*   and %zu more", person->room->count - MOST);
    return true;
}

static bool rooms_command(struct person *person, char *text)
{
    struct room *room;
    size_t shown = 0;

    LIST_FOREACH (room, &person->rooms->rooms, next) {
        if (shown++ == MOST) {
            show(person, "* and more");
            break;
        }
        show(person, "* %s: %zu", room->name.text, room->count);
    }
    return true;
}

static bool quit_command(struct person *person, char *text)
{
    show(person, "* goodbye");
    return false;
}

static bool help_command(struct person *person, char *text);

static const struct command commands[] = {
    {"/nick", "/nick NAME       take a name", nick_command, true},
    {"/join", "/join ROOM       go to a room; a new one is made", join_command,
        false},
    {"/msg", "/msg NAME TEXT   say something to one person", msg_command,
        false},
    {"/who", "/who             who is in this room", who_command, false},
    {"/rooms", "/rooms           which rooms there are", rooms_command, false},
    {"/help", "/help            this list", help_command, true},
    {"/quit", "/quit            leave; all else is said to the room",
        quit_command, true},
};

static bool help_command(struct person *person, char *text)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        show(person, "* %s", commands[i].help);
    return true;
}

static bool obey(struct person *person, char *line)
{
    char *text = split(line);

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(line, commands[i].name) != 0)
            continue;
        if (person->room || commands[i].nameless)
            return commands[i].run(person, text);
        show(person, "* first a name, please");
        return true;
    }
    show(person, "* there is no %s; try /help", line);
    return true;
}

static void say(struct person *person, const char *line)
{
    char text[TEXT];

    snprintf(text, sizeof(text), "%s: %s\n", person->name.text, line);
    room_remember(person->room, text);
    show_room(person->room, person, text);
}

bool person_line(struct person *person, const char *line, size_t length)
{
    char text[LINE + 1];
    const char *reason = bad_text(line, length);

    if (reason) {
        show(person, "* that line was refused: %s", reason);
        return true;
    }
    memcpy(text, line, length);
    text[length] = '\0';
    if (*text == '/')
        return obey(person, text);
    if (!person->room)
        return nick_command(person, text);
    if (*text != '\0')
        say(person, text);
    return true;
}

struct person *person_new(
    struct rooms *rooms, show_function *show_it, void *arg)
{
    struct person *person = calloc(1, sizeof(*person));

    if (!person)
        return NULL;
    person->rooms = rooms;
    person->show = show_it;
    person->arg = arg;
    LIST_INSERT_HEAD(&rooms->people, person, next);
    show(person, "* welcome; what is your name?");
    return person;
}

void person_free(struct person *person, const char *how)
{
    leave(person, how);
    LIST_REMOVE(person, next);
    free(person);
}

struct rooms *rooms_new(void)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));
    struct name name;

    if (!rooms || name_make(&name, "lobby") <= 0)
        err(1, "cannot make the rooms");
    LIST_INIT(&rooms->rooms);
    LIST_INIT(&rooms->people);
    rooms->lobby = room_new(rooms, &name);
    if (!rooms->lobby)
        err(1, "cannot make the lobby");
    return rooms;
}

void rooms_free(struct rooms *rooms)
{
    room_free(rooms->lobby);
    free(rooms);
}

void rooms_tell(struct rooms *rooms, const char *text)
{
    struct person *person;

    LIST_FOREACH (person, &rooms->people, next)
        show(person, "* %s", text);
}
