package folkmoot;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * Some nodes of an OpenSearch cluster on loopback, in this process.
 *
 * <p>Arguments: a folder, the names of the nodes to run here joined by commas, and every node of the cluster as
 * NAME:HTTP-PORT:TRANSPORT-PORT. Prints "ready NAME" for each node that has joined. On standard input "stop NAME"
 * closes a node ("stopped NAME"), "start NAME" opens it again ("ready NAME"); the end of input ends the process.
 */
public final class Cluster {

    private record Member(String name, String http, String transport) {
        static Member of(String text) {
            String[] parts = text.split(":");
            return new Member(parts[0], parts[1], parts[2]);
        }
    }

    private final Path folder;
    private final List<Member> members;
    private final Map<String, OpenSearchRunner> running = new LinkedHashMap<>();

    private Cluster(Path folder, List<Member> members) {
        this.folder = folder;
        this.members = members;
    }

    public static void main(String[] arguments) throws Exception {
        List<Member> members = Arrays.stream(arguments).skip(2).map(Member::of).collect(Collectors.toList());
        Cluster cluster = new Cluster(Path.of(arguments[0]), members);
        List<Thread> starts = Arrays.stream(arguments[1].split(","))
                .map(name -> new Thread(() -> cluster.start(name)))
                .collect(Collectors.toList());
        starts.forEach(Thread::start);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            if (words[0].equals("stop")) {
                cluster.stop(words[1]);
            } else if (words[0].equals("start")) {
                cluster.start(words[1]);
            }
        }
        // Whoever started us is gone: nothing here is worth an orderly end.
        Runtime.getRuntime().halt(0);
    }

    private void start(String name) {
        Member member = members.stream().filter(one -> one.name().equals(name)).findFirst().orElseThrow();
        String seeds = members.stream().map(one -> "127.0.0.1:" + one.transport()).collect(Collectors.joining(","));
        String names = members.stream().map(Member::name).collect(Collectors.joining(","));
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("node.name", member.name());
            settings.put("http.port", member.http());
            settings.put("transport.port", member.transport());
            settings.put("network.host", "127.0.0.1");
            settings.putList("discovery.seed_hosts", seeds.split(","));
            settings.putList("cluster.initial_cluster_manager_nodes", names.split(","));
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            settings.put("node.processors", 2);
        });
        runner.build(OpenSearchRunner.newConfigs()
                .basePath(folder.resolve(name).toString())
                .clusterName("folkmoot-tests")
                .numOfNode(1));
        synchronized (this) {
            running.put(name, runner);
            say("ready " + name);
        }
    }

    private synchronized void stop(String name) throws Exception {
        running.remove(name).close();
        say("stopped " + name);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
