import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** One Spark session: a JSON text (the SQL) a line on stdin, one JSON answer a line on stdout. See spark.ts. */
public final class Session {
  private static final long SAFE = (1L << 53) - 1;
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
      BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
      for (String line = questions.readLine(); line != null; line = questions.readLine()) {
        answers.println(JSON.writeValueAsString(answer(spark, JSON.readValue(line, String.class))));
      }
    }
  }

  private static Map<String, Object> answer(SparkSession spark, String sql) {
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      Dataset<Row> result = spark.sql(sql);
      List<Object> rows = new ArrayList<>();
      for (Row row : result.collectAsList()) rows.add(plain(row));
      answer.put("columns", result.columns());
      answer.put("types", Arrays.stream(result.schema().fields()).map(field -> field.dataType().sql()).toArray());
      answer.put("rows", rows);
    } catch (Throwable error) {
      StringBuilder message = new StringBuilder();
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        message.append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage()).append('\n');
      }
      answer.put("error", message.toString());
    }
    return answer;
  }

  /** What JSON has no word for as text: microseconds of a time as `us:…`, whole numbers past 2^53, NaN, decimals. */
  private static Object plain(Object value) {
    if (value instanceof Row row) {
      List<Object> fields = new ArrayList<>();
      for (int i = 0; i < row.length(); i++) fields.add(plain(row.get(i)));
      return fields;
    }
    if (value instanceof scala.collection.Map<?, ?> map) {
      Map<String, Object> entries = new LinkedHashMap<>();
      scala.jdk.javaapi.CollectionConverters.asJava(map).forEach((key, one) -> entries.put(String.valueOf(plain(key)), plain(one)));
      return entries;
    }
    if (value instanceof scala.collection.Iterable<?> items) {
      List<Object> list = new ArrayList<>();
      scala.jdk.javaapi.CollectionConverters.asJava(items).forEach(item -> list.add(plain(item)));
      return list;
    }
    if (value instanceof Instant time) return micros(time);
    if (value instanceof LocalDateTime time) return micros(time.toInstant(ZoneOffset.UTC));
    if (value instanceof LocalDate date) return "day:" + date.toEpochDay();
    if (value instanceof BigDecimal decimal) return decimal.toPlainString();
    if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
    if (value instanceof Long number && (number > SAFE || number < -SAFE)) return number.toString();
    if (value instanceof Double number && !Double.isFinite(number)) return number.toString();
    if (value instanceof Float number) return Float.isFinite(number) ? (Object) number.doubleValue() : number.toString();
    return value;
  }

  private static String micros(Instant time) {
    return "us:" + Math.addExact(Math.multiplyExact(time.getEpochSecond(), 1_000_000L), time.getNano() / 1000);
  }
}
