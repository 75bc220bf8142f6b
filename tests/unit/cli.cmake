# The program end to end on a small log (tests/crash/scene.h).
foreach(module bounds dimensions
    erase
    expiry
    export
    features
    inspect_user
    intake
    log_forms
    model_jobs
    nonsense
    profiles
    program
    recommend
    train_program
    verify)
  braid_test(unit.${module} test_${module}.c said.c
    ${CMAKE_SOURCE_DIR}/tests/crash/scene.c
    LIBRARIES stream z ENVIRONMENT "BRAID=$<TARGET_FILE:braid>")
  add_dependencies(test_unit_${module} braid)
endforeach()

# The demo, short of training, with the real log if it was downloaded before, else a made-up one.
add_test(NAME unit.demo COMMAND ${CMAKE_SOURCE_DIR}/demo/demo.sh $<TARGET_FILE:braid> 1
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.demo PROPERTIES LABELS unit TIMEOUT 600 ENVIRONMENT "PIP_NO_INDEX=1"
  PASS_REGULAR_EXPRESSION "verdict=ok")

# What is said where no broker answers.
add_test(NAME unit.unreachable COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_unreachable.py $<TARGET_FILE:braid>)
set_tests_properties(unit.unreachable PROPERTIES LABELS unit TIMEOUT 600)

# The example of a retrieval service, on what a job publishes.
add_test(NAME unit.nearest COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/test_nearest.py
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.nearest PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "TEST_BRAID=$<TARGET_FILE:braid>")

# What who collects the log of a job gets.
add_test(NAME unit.log_lines COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_log_lines.py $<TARGET_FILE:braid>)
set_tests_properties(unit.log_lines PROPERTIES LABELS unit TIMEOUT 600)

# What a running job answers over HTTP.
add_test(NAME unit.http COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/test_http.py
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.http PROPERTIES LABELS unit TIMEOUT 600
  ENVIRONMENT "TEST_BRAID=$<TARGET_FILE:braid>")

# What a job that learns tells of its generations.
add_test(NAME unit.learning_metrics COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_learning_metrics.py WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.learning_metrics PROPERTIES LABELS unit TIMEOUT 600
  ENVIRONMENT "TEST_BRAID=$<TARGET_FILE:braid>")

# That it stays within its memory meanwhile; a sanitizer's own would count.
if(NOT BRAID_SANITIZE)
  add_test(NAME unit.learning_memory COMMAND python3 -B
    ${CMAKE_CURRENT_SOURCE_DIR}/test_learning_memory.py WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unit.learning_memory PROPERTIES LABELS unit TIMEOUT 900
    ENVIRONMENT "TEST_BRAID=$<TARGET_FILE:braid>")
endif()

# The manifests for Kubernetes, against the published schemas and Braid's own options.
add_test(NAME unit.kubernetes COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_kubernetes.py $<TARGET_FILE:braid>)
set_tests_properties(unit.kubernetes PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)

# The man page and the completion for bash.
add_test(NAME unit.manual COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_manual.py $<TARGET_FILE:braid>)
set_tests_properties(unit.manual PROPERTIES LABELS unit TIMEOUT 600)

# Its page, in a browser.
add_test(NAME unit.page COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/test_page.py
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.page PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "TEST_BRAID=$<TARGET_FILE:braid>")

# The services of compose.yaml, and what they mount.
add_test(NAME unit.compose COMMAND python3 -B
  ${CMAKE_CURRENT_SOURCE_DIR}/test_compose.py $<TARGET_FILE:braid>)
set_tests_properties(unit.compose PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)

# The rules that Prometheus has of compose.
add_test(NAME unit.alerts COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/test_alerts.py)
set_tests_properties(unit.alerts PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)
