/* Runs one signature of a SavedModel through TensorFlow's C library, without Python.
 *
 * Build with the library in TensorFlow's pip wheel (a few seconds). TF is its folder, printed by
 * `python -c "import tensorflow as tf; print(tf.sysconfig.get_lib())"`:
 *
 *   gcc -O2 -Wall -Wextra -Werror tools/exports/run_saved_model.c -I$TF/include \
 *       -L$TF -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,$TF -o run_saved_model
 *
 * Run:
 *
 *   run_saved_model DIR [in TENSOR TYPE SHAPE FILE]... [out TENSOR FILE]...
 *
 * TENSOR is OPERATION:INDEX, as printed by `saved_model_cli show --dir DIR --all`. TYPE is float,
 * int32 or string. SHAPE is a list such as 1,384,512,3. FILE holds the bytes of the values, row by
 * row, or of a single string. The bytes of each output (of a string output: its first string) are
 * written to its file, and its shape is printed. The exit code is 0 on success.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>
#include <tensorflow/c/tf_tstring.h>

enum { MOST = 32, MOST_SIDES = 8 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "run_saved_model: %s: %s\n", what, why);
  exit(2);
}

static void check(const char *what, const TF_Status *status) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) fail(path, "cannot be read");
  long length = ftell(file);
  rewind(file);
  char *bytes = malloc(length > 0 ? (size_t)length : 1);
  if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length)
    fail(path, "cannot be read");
  fclose(file);
  *size = (size_t)length;
  return bytes;
}

static TF_Output tensor_named(TF_Graph *graph, const char *name) {
  char operation[256];
  const char *colon = strrchr(name, ':');
  if (!colon || (size_t)(colon - name) >= sizeof operation) fail(name, "must be OPERATION:INDEX");
  memcpy(operation, name, (size_t)(colon - name));
  operation[colon - name] = '\0';
  TF_Output found = {TF_GraphOperationByName(graph, operation), atoi(colon + 1)};
  if (!found.oper) fail(name, "is not an operation of the model");
  return found;
}

static void free_string(void *data, size_t size, void *argument) {
  (void)size;
  (void)argument;
  TF_StringDealloc(data);
  free(data);
}

static TF_Tensor *tensor_of(const char *type, const char *shape, const char *path) {
  int64_t sides[MOST_SIDES];
  int rank = 0;
  for (const char *at = shape; *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : "") {
    if (rank == MOST_SIDES) fail(shape, "has too many dimensions");
    sides[rank++] = atoll(at);
  }
  size_t size;
  char *bytes = read_file(path, &size);
  TF_Tensor *tensor;
  if (!strcmp(type, "string")) {
    for (int i = 0; i < rank; i++)
      if (sides[i] != 1) fail(shape, "must be 1 for a string");
    TF_TString *text = malloc(sizeof *text);
    if (!text) fail(path, "does not fit into memory");
    TF_StringInit(text);
    TF_StringCopy(text, bytes, size);
    tensor = TF_NewTensor(TF_STRING, sides, rank, text, sizeof *text, free_string, NULL);
  } else {
    if (strcmp(type, "float") && strcmp(type, "int32")) fail(type, "must be float, int32, string");
    size_t wanted = 4;
    for (int i = 0; i < rank; i++) wanted *= (size_t)sides[i];
    if (size != wanted) fail(path, "does not have the length that its shape requires");
    tensor = TF_AllocateTensor(strcmp(type, "float") ? TF_INT32 : TF_FLOAT, sides, rank, size);
    memcpy(TF_TensorData(tensor), bytes, size);
  }
  free(bytes);
  return tensor;
}

static void write_tensor(const char *name, const char *path, const TF_Tensor *tensor) {
  const char *bytes = TF_TensorData(tensor);
  size_t size = TF_TensorByteSize(tensor);
  if (TF_TensorType(tensor) == TF_STRING) {
    if (TF_TensorElementCount(tensor) < 1) fail(name, "holds no string");
    const TF_TString *text = (const TF_TString *)bytes;
    bytes = TF_StringGetDataPointer(text);
    size = TF_StringGetSize(text);
  }
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) fail(path, "cannot be written");
  printf("%s", name);
  for (int i = 0; i < TF_NumDims(tensor); i++) printf(" %lld", (long long)TF_Dim(tensor, i));
  printf("\n");
}

int main(int count, char **arguments) {
  if (count < 2) fail("usage", "run_saved_model DIR [in TENSOR TYPE SHAPE FILE]... [out TENSOR FILE]...");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, arguments[1], tags, 1, graph, NULL, status);
  check(arguments[1], status);

  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *values[MOST], *results[MOST] = {NULL};
  const char *names[MOST], *files[MOST];
  int num_inputs = 0, num_outputs = 0;
  for (int i = 2; i < count;) {
    if (!strcmp(arguments[i], "in") && i + 4 < count && num_inputs < MOST) {
      inputs[num_inputs] = tensor_named(graph, arguments[i + 1]);
      values[num_inputs++] = tensor_of(arguments[i + 2], arguments[i + 3], arguments[i + 4]);
      i += 5;
    } else if (!strcmp(arguments[i], "out") && i + 2 < count && num_outputs < MOST) {
      outputs[num_outputs] = tensor_named(graph, arguments[i + 1]);
      names[num_outputs] = arguments[i + 1];
      files[num_outputs++] = arguments[i + 2];
      i += 3;
    } else {
      fail(arguments[i], "must be `in` followed by four words, or `out` followed by two");
    }
  }
  TF_SessionRun(session, NULL, inputs, values, num_inputs, outputs, results, num_outputs, NULL, 0,
                NULL, status);
  check("the run", status);
  for (int i = 0; i < num_outputs; i++) {
    write_tensor(names[i], files[i], results[i]);
    TF_DeleteTensor(results[i]);
  }
  for (int i = 0; i < num_inputs; i++) TF_DeleteTensor(values[i]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
