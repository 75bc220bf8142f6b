/* broker.c - which back end a configuration means. */
#include "stream/broker/broker.h"

const struct broker_ops *broker_ops_of(const struct config *config)
{
    return config->source.broker == CONFIG_BROKER_FILE ? &broker_file : &broker_kafka;
}
