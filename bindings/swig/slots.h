/* What a callback of another language leaves behind in an error: an object of that language, under an address
 * that is its own. Whoever finds the address in an error asks for the object; addresses that others have put
 * there are no slots, and are never followed. */
#ifndef TENON_SLOTS_H
#define TENON_SLOTS_H

#include <pthread.h>
#include <stdlib.h>

typedef struct tenon_slot {
  void* object;
  struct tenon_slot* next;
} tenon_slot;

static tenon_slot* tenon_slots;
static pthread_mutex_t tenon_slots_lock = PTHREAD_MUTEX_INITIALIZER;

/* NULL for lack of memory. */
static void* tenon_slot_put(void* object) {
  tenon_slot* slot = (tenon_slot*)malloc(sizeof *slot);
  if (!slot) return NULL;
  slot->object = object;
  pthread_mutex_lock(&tenon_slots_lock);
  slot->next = tenon_slots;
  tenon_slots = slot;
  pthread_mutex_unlock(&tenon_slots_lock);
  return slot;
}

/* The object, which stays; NULL if the address is no slot. */
static void* tenon_slot_get(void* address) {
  tenon_slot* slot;
  void* object = NULL;
  pthread_mutex_lock(&tenon_slots_lock);
  for (slot = tenon_slots; slot; slot = slot->next) {
    if (slot == address) object = slot->object;
  }
  pthread_mutex_unlock(&tenon_slots_lock);
  return object;
}

/* The object, whose slot goes; NULL if the address is no slot. */
static void* tenon_slot_take(void* address) {
  tenon_slot **link, *slot = NULL;
  void* object = NULL;
  pthread_mutex_lock(&tenon_slots_lock);
  for (link = &tenon_slots; *link && *link != address; link = &(*link)->next) {
  }
  slot = *link;
  if (slot) *link = slot->next;
  pthread_mutex_unlock(&tenon_slots_lock);
  if (slot) object = slot->object;
  free(slot);
  return object;
}

#endif
