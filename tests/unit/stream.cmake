# What the job does to events, room by room.
braid_test(unit.decoding test_decoding.c LIBRARIES stream)
braid_test(unit.dead_letter test_dead_letter.c LIBRARIES stream)
braid_test(unit.letter test_letter.c LIBRARIES stream)
braid_test(unit.decimal test_decimal.c LIBRARIES stream)
braid_test(unit.event test_event.c event_fixture.c LIBRARIES stream)
braid_test(unit.event_forms test_event_forms.c event_fixture.c LIBRARIES stream)
braid_test(unit.event_reader test_event_reader.c LIBRARIES stream z)
braid_test(unit.line_reader test_line_reader.c LIBRARIES stream z)
braid_test(unit.table_row test_table_row.c LIBRARIES stream)

braid_test(unit.fold test_fold.c LIBRARIES stream)
braid_test(unit.interest_record test_interest_record.c LIBRARIES stream)
braid_test(unit.interest_record_protobuf test_interest_record_protobuf.c LIBRARIES stream)
braid_test(unit.item_vector test_item_vector.c LIBRARIES stream protobuf-c)
target_include_directories(test_unit_item_vector PRIVATE ${CMAKE_BINARY_DIR}/stream/interests)

braid_test(unit.commit_file test_commit_file.c LIBRARIES stream)
braid_test(unit.history_file test_history_file.c LIBRARIES stream)

braid_test(unit.assignment test_assignment.c LIBRARIES stream store_memory)
braid_test(unit.changeset test_changeset.c LIBRARIES stream)
braid_test(unit.transaction test_transaction.c fake_broker.c fake_log.c fake_stores.c job_fixture.c LIBRARIES stream store_memory)
braid_test(unit.store_leases test_store_leases.c LIBRARIES stream)
braid_test(unit.memory_plan test_memory_plan.c job_fixture.c LIBRARIES stream)
braid_test(unit.recovery test_recovery.c job_fixture.c LIBRARIES stream store_memory)
braid_test(unit.job test_job.c job_fixture.c LIBRARIES stream)
braid_test(unit.snapshots test_snapshots.c job_fixture.c LIBRARIES stream)

braid_test(unit.exchange test_exchange.c exchange_fixture.c fake_generation_log.c LIBRARIES stream)
braid_test(unit.exchange_end test_exchange_end.c exchange_fixture.c fake_generation_log.c LIBRARIES stream)
braid_test(unit.verify_slice test_verify_slice.c LIBRARIES stream)
braid_test(unit.verify_users test_verify_users.c LIBRARIES stream)

braid_test(unit.init test_init.c LIBRARIES stream)
braid_test(unit.gate test_gate.c LIBRARIES stream)
braid_test(unit.growth test_growth.c LIBRARIES stream m)
braid_test(unit.history_sample test_history_sample.c LIBRARIES stream store_memory)
braid_test(unit.round test_round.c LIBRARIES stream store_memory)
target_link_options(test_unit_round PRIVATE
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
braid_test(unit.log_dataset test_log_dataset.c LIBRARIES stream)

braid_test(unit.repartition test_repartition.c fake_topic_copy.c LIBRARIES stream)

braid_test(unit.catalogue test_catalogue.c LIBRARIES stream)
braid_test(unit.inspect_curve test_inspect_curve.c LIBRARIES stream)
braid_test(unit.user_kind test_user_kind.c LIBRARIES stream)
