import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Iterator;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Streaming SQL from topics of JSON messages to Parquet files: one task a line on stdin, one answer on stdout. See stream.ts. */
public final class Stream {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, "UTF-8");
    System.setOut(System.err);
    Configuration settings = new Configuration();
    for (String setting : arguments) {
      int equals = setting.indexOf('=');
      settings.setString(setting.substring(0, equals), setting.substring(equals + 1));
    }
    FileSystem.initialize(settings, null);
    answers.println(JSON.writeValueAsString(Map.of("ready", true)));
    BufferedReader tasks = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line = tasks.readLine(); line != null; line = tasks.readLine()) {
      answers.println(JSON.writeValueAsString(carry(settings, JSON.readTree(line))));
    }
    System.exit(0);
  }

  /** The statements of a task, one after the other; the last is the job, which ends where the topic ended. */
  private static Map<String, Object> carry(Configuration settings, JsonNode task) {
    try {
      TableEnvironment tables =
          TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(settings).inStreamingMode().build());
      for (Iterator<JsonNode> all = task.get("statements").elements(); all.hasNext(); ) {
        tables.executeSql(all.next().asText()).await();
      }
      return Map.of("done", true);
    } catch (Throwable error) {
      StringBuilder message = new StringBuilder();
      for (Throwable cause = error; cause != null; cause = cause.getCause()) message.append(cause).append('\n');
      return Map.of("error", message.toString());
    }
  }
}
