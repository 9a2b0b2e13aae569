/* commands.c -- what a line means: a command, a name, or something said. */
#include <stdio.h>
#include <string.h>

#include "house.h"

enum { MOST = 1000 }; /* names that a list shows */

struct command {
    const char *name;
    const char *help;
    bool (*run)(struct person *person, char *text); /* false: they leave */
    bool nameless;                                  /* allowed without a name */
};

/* Make NAME from TEXT. If that fails, tell the person why, and return false. */
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
