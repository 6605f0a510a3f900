/* The JSON of scenarios (docs/conformance.md): values in one tree, which lives until json_free_all(). */
#ifndef TENON_CONFORMANCE_JSON_H
#define TENON_CONFORMANCE_JSON_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum json_kind { JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

typedef struct json {
  int kind;
  char* key;         /* in an object */
  char* text;        /* of a string */
  double number;     /* of a number; 0 or 1 of a bool */
  struct json* next; /* in an array or object */
  struct json* first;
} json;

static void json_fail(const char* why, const char* at) {
  fprintf(stderr, "the scenario is not what docs/conformance.md says: %s at %.20s\n", why, at);
  exit(2);
}

typedef union json_block {
  union json_block* next;
  max_align_t align;
} json_block;

static json_block* json_blocks;

/* Zeros, on any thread, which live until json_free_all(). */
static void* json_new(size_t size) {
  json_block* block = (json_block*)calloc(1, sizeof *block + size);
  if (!block) json_fail("no memory", "");
  block->next = __atomic_load_n(&json_blocks, __ATOMIC_ACQUIRE);
  while (!__atomic_compare_exchange_n(&json_blocks, &block->next, block, 1, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
  }
  return block + 1;
}

static void json_free_all(void) {
  json_block* block = __atomic_exchange_n(&json_blocks, (json_block*)NULL, __ATOMIC_ACQ_REL);
  while (block) {
    json_block* next = block->next;
    free(block);
    block = next;
  }
}

static const char* json_skip(const char* at) {
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t' || *at == ',' || *at == ':') ++at;
  return at;
}

static char* json_string(const char** at) {
  const char* from = ++*at;
  char *text = (char*)json_new(strlen(from) + 1), *to = text;
  for (; *from != '"'; ++from) {
    if (!*from) json_fail("an open string", "");
    if (*from == '\\') ++from;
    *to++ = *from;
  }
  *at = from + 1;
  return text;
}

static json* json_value(const char** at) {
  json* value = (json*)json_new(sizeof *value);
  *at = json_skip(*at);
  if (**at == '[' || **at == '{') {
    char end = **at == '[' ? ']' : '}';
    json** last = &value->first;
    value->kind = end == ']' ? JSON_ARRAY : JSON_OBJECT;
    for (*at = json_skip(*at + 1); **at != end; *at = json_skip(*at)) {
      char* key = NULL;
      if (!**at) json_fail("an open array or object", "");
      if (end == '}') {
        if (**at != '"') json_fail("no key", *at);
        key = json_string(at);
      }
      *last = json_value(at);
      (*last)->key = key;
      last = &(*last)->next;
    }
    ++*at;
  } else if (**at == '"') {
    value->kind = JSON_STRING;
    value->text = json_string(at);
  } else if (strncmp(*at, "true", 4) == 0 || strncmp(*at, "false", 5) == 0) {
    value->kind = JSON_BOOL;
    value->number = **at == 't';
    *at += **at == 't' ? 4 : 5;
  } else {
    char* end = NULL;
    value->kind = JSON_NUMBER;
    value->number = strtod(*at, &end);
    if (end == *at) json_fail("no value", *at);
    *at = end;
  }
  return value;
}

/* The whole file; ends the program if it cannot be read. */
static json* json_read(const char* path) {
  FILE* file = fopen(path, "rb");
  size_t size = 0;
  char* text = (char*)json_new(1 << 20);
  const char* at = text;
  if (!file) json_fail("it cannot be opened", path);
  size = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  text[size] = '\0';
  return json_value(&at);
}

/* A field of an object; NULL if it is not there. */
static const json* json_field(const json* object, const char* key) {
  const json* field = object->first;
  while (field && strcmp(field->key, key) != 0) field = field->next;
  return field;
}

static size_t json_count(const json* value) {
  size_t count = 0;
  const json* item;
  for (item = value->first; item; item = item->next) ++count;
  return count;
}

#endif
