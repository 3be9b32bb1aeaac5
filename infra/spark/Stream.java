import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;

/** Structured Streaming from topics of JSON messages to Delta tables: one task a line on stdin, one answer on stdout. See stream.ts. */
public final class Stream {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, "UTF-8");
    System.setOut(System.err);
    SparkSession.Builder builder = SparkSession.builder().appName("hearth");
    for (String setting : arguments) {
      int equals = setting.indexOf('=');
      builder.config(setting.substring(0, equals), setting.substring(equals + 1));
    }
    try (SparkSession spark = builder.getOrCreate()) {
      spark.sparkContext().setLogLevel("OFF");
      answers.println(JSON.writeValueAsString(Map.of("ready", spark.version())));
      BufferedReader tasks = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
      for (String line = tasks.readLine(); line != null; line = tasks.readLine()) {
        answers.println(JSON.writeValueAsString(carry(spark, JSON.readTree(line))));
      }
    }
  }

  /** All that the topic holds, in as few batches as Spark makes of it by itself. */
  private static Map<String, Object> carry(SparkSession spark, JsonNode task) {
    try {
      StreamingQuery query = spark
          .readStream()
          .format("kafka")
          .option("kafka.bootstrap.servers", task.get("bootstrap").asText())
          .option("subscribe", task.get("topic").asText())
          .option("startingOffsets", "earliest")
          .load()
          .selectExpr("from_json(CAST(value AS STRING), '" + task.get("columns").asText() + "') AS event")
          .selectExpr("event.*")
          .withColumn("event_time", org.apache.spark.sql.functions.expr("timestamp_millis(event_ms)"))
          .drop("event_ms")
          .writeStream()
          .format("delta")
          .option("checkpointLocation", task.get("checkpoint").asText())
          .trigger(Trigger.AvailableNow())
          .start(task.get("table").asText());
      query.awaitTermination();
      return Map.of("done", true);
    } catch (Throwable error) {
      return Map.of("error", String.valueOf(error));
    }
  }
}
