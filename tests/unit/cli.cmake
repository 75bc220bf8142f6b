# The program and verify, end to end, on a small log (tests/crash/scene.h).
foreach(module program verify)
  braid_test(unit.${module} test_${module}.c ${CMAKE_SOURCE_DIR}/tests/crash/scene.c
    LIBRARIES stream z TIMEOUT 300 ENVIRONMENT "BRAID=$<TARGET_FILE:braid>")
  add_dependencies(test_unit_${module} braid)
endforeach()
