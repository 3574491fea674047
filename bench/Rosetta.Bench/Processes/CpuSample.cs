using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Processes;

/// <summary>CPU seconds spent so far by those who move rows: the node, the walsenders of the source, the backends that apply at the target.</summary>
readonly record struct CpuSample(double Node, double Walsender, double Target)
{
    // What is not done for replication, or by all alike; the checkpointer and the walwriter work for every peer.
    static readonly string[] Background =
    [
        "postgres: checkpointer", "postgres: background writer", "postgres: walwriter", "postgres: autovacuum", "postgres: logical replication launcher",
        "postgres: archiver", "postgres: stats", $"postgres: {Stage.BenchDatabases.Watcher} "
    ];

    /// <param name="nodeProcess">0: no node takes part.</param>
    public static CpuSample Take(int nodeProcess, PostgresServer source, PostgresServer target) => new(
        nodeProcess == 0 ? 0 : ProcessUse.CpuSeconds(nodeProcess),
        OfChildren(source, static title => title.StartsWith("postgres: walsender", StringComparison.Ordinal)),
        OfChildren(target, IsBackend));

    /// <summary>Of a server's backends at the moment.</summary>
    public static double OfBackends(ProcessIdentity postmaster) => OfChildren(postmaster, IsBackend);

    static bool IsBackend(string title) => !Background.Any(b => title.StartsWith(b, StringComparison.Ordinal));

    public static CpuSample operator -(CpuSample a, CpuSample b) => Subtract(a, b);

    public static CpuSample Subtract(CpuSample a, CpuSample b) => new(a.Node - b.Node, a.Walsender - b.Walsender, a.Target - b.Target);

    public double Total => Node + Walsender + Target;

    static double OfChildren(PostgresServer server, Func<string, bool> counts) =>
        server.ProcessId is { } postmaster && ProcessIdentity.Find(postmaster) is { } process ? OfChildren(process, counts) : 0;

    static double OfChildren(ProcessIdentity process, Func<string, bool> counts) =>
        process.Children().Where(c => counts(ProcessUse.Title(c.Id))).Sum(c => ProcessUse.CpuSeconds(c.Id));
}
