# The numerical library: parameters, kernels, opening models.
braid_test(unit.params test_params.c LIBRARIES model)
braid_test(unit.kernel test_kernel.c LIBRARIES model m)
braid_test(unit.kernel_double test_kernel.c LIBRARIES model_double m)
braid_test(unit.special test_special.c LIBRARIES model m)
braid_test(unit.special_double test_special.c LIBRARIES model_double m)
braid_test(unit.tape test_tape.c LIBRARIES model)
braid_test(unit.interest_model test_interest_model.c LIBRARIES model)
braid_test(unit.selection test_selection.c ../parity/fixture.c LIBRARIES model m)
