/*
 * Subscriber.java - follows what Braid publishes and prints each user's nearest item when it changes.
 *
 *     java Subscriber BROKERS INTERESTS_TOPIC ITEM_VECTORS_TOPIC
 *
 * Needs the jars of pom.xml, and what protoc makes of the two .proto files of stream/interests. A
 * line is "USER GENERATION ITEM", or "USER gone".
 */
import braid.InterestRecordOuterClass.InterestRecord;
import braid.ItemVectorOuterClass.ItemVector;
import braid.ItemVectorOuterClass.ItemsEnd;
import com.dynatrace.hash4j.hashing.Hashing;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Subscriber {
    /* The newest record of each user; vectors by generation and item; generations that have all. */
    static final Map<ByteString, InterestRecord> users = new HashMap<>();
    static final Map<Long, Map<ByteString, ItemVector>> vectors = new HashMap<>();
    static final Set<Long> usable = new HashSet<>();

    static void put(ByteBuffer layout, List<Float> values) {
        for (float value : values) layout.putFloat(value);
    }

    static void check(ByteBuffer layout, long checksum, ByteString name) {
        byte[] bytes = Arrays.copyOf(layout.array(), layout.position());
        if (Hashing.xxh3_64().hashBytesToLong(bytes) != checksum)
            throw new IllegalStateException("checksum of " + name.toStringUtf8());
    }

    /* Fails unless the record is what its checksum says. */
    static void check(InterestRecord record) {
        ByteBuffer layout = ByteBuffer.allocate(record.getSerializedSize() + 100);
        layout.order(ByteOrder.LITTLE_ENDIAN).putInt(record.getUser().size());
        layout.put(record.getUser().toByteArray()).putLong(record.getGeneration());
        layout.putLong(record.getFrom()).putLong(record.getEvents());
        layout.putLong(record.getEventTimeMs()).putInt(record.getPartition());
        layout.putLong(record.getOffset()).putInt(record.getWeightsCount());
        layout.putInt(record.getWidth());
        put(layout, record.getVectorsList());
        put(layout, record.getWeightsList());
        if (record.getIntentCount() > 0) put(layout.putInt(2), record.getIntentList());
        check(layout, record.getChecksum(), record.getUser());
    }

    static ItemVector checked(ItemVector vector) {
        ByteBuffer layout = ByteBuffer.allocate(vector.getSerializedSize() + 100);
        layout.order(ByteOrder.LITTLE_ENDIAN).putLong(vector.getGeneration());
        layout.putInt(vector.getItem().size()).put(vector.getItem().toByteArray());
        layout.putInt(vector.getCategory().size()).put(vector.getCategory().toByteArray());
        put(layout.putInt(vector.getVectorCount()), vector.getVectorList());
        check(layout, vector.getChecksum(), vector.getItem());
        return vector;
    }

    static boolean areAll(Collection<ItemVector> items, ItemsEnd end) {
        long sum = items.stream().mapToLong(ItemVector::getChecksum).sum();
        return end.getItems() == items.size() && end.getChecksum() == sum;
    }

    static float score(InterestRecord record, ItemVector item) {
        float best = Float.NEGATIVE_INFINITY;
        for (int at = 0; at < record.getVectorsCount(); at += record.getWidth()) {
            float score = 0;
            for (int i = 0; i < record.getWidth(); i++) score += record.getVectors(at + i) * item.getVector(i);
            best = Math.max(best, score);
        }
        return best;
    }

    /* The item that is nearest to any interest, among the vectors of the record's own generation. */
    static void show(InterestRecord record) {
        ItemVector nearest = Collections.max(vectors.get(record.getGeneration()).values(),
                Comparator.comparing(item -> score(record, item)));
        System.out.println(record.getUser().toStringUtf8() + " " + record.getGeneration() + " "
                + nearest.getItem().toStringUtf8());
    }

    static void takeRecord(byte[] key, byte[] value) throws Exception {
        ByteString user = ByteString.copyFrom(key);
        if (value == null) { // a tombstone: the user is gone
            users.remove(user);
            System.out.println(user.toStringUtf8() + " gone");
            return;
        }
        InterestRecord record = InterestRecord.parseFrom(value);
        check(record);
        users.put(user, record);
        if (usable.contains(record.getGeneration())) show(record); // else its vectors are still to come
    }

    static void takeVector(byte[] key, byte[] value) throws Exception {
        long generation = ByteBuffer.wrap(key).getLong();
        ByteString item = ByteString.copyFrom(key, 8, key.length - 8);
        var items = vectors.computeIfAbsent(generation, g -> new HashMap<>());
        if (value == null) { // a tombstone: vectors of a generation that nobody is of are removed
            usable.remove(generation);
            items.remove(item);
        } else if (!item.isEmpty()) {
            items.put(item, checked(ItemVector.parseFrom(value)));
        } else if (areAll(items.values(), ItemsEnd.parseFrom(value)) && usable.add(generation)) {
            for (InterestRecord record : users.values())
                if (record.getGeneration() == generation) show(record);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0],
                "isolation.level", "read_committed", "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : List.of(arguments[1], arguments[2]))
                consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
            consumer.assign(partitions);
            while (true) {
                for (ConsumerRecord<byte[], byte[]> message : consumer.poll(Duration.ofSeconds(1))) {
                    if (message.topic().equals(arguments[1])) takeRecord(message.key(), message.value());
                    else takeVector(message.key(), message.value());
                }
            }
        }
    }
}
