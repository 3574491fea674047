using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Processes;

/// <summary>CPU seconds spent so far for copies: by the backends of source and target, those that have ended included, and by the programs in between.</summary>
readonly record struct CopyCost(double Source, double Target, double Client)
{
    /// <param name="node">A node takes part, as well as every program that this process has run.</param>
    public static CopyCost Take(PostgresServer source, PostgresServer target, int node) => new(
        OfBackends(source), OfBackends(target), ProcessUse.CpuSeconds(node) + ProcessUse.CpuSecondsOfChildren(Environment.ProcessId));

    public static CopyCost operator -(CopyCost a, CopyCost b) => Subtract(a, b);

    public static CopyCost Subtract(CopyCost a, CopyCost b) => new(a.Source - b.Source, a.Target - b.Target, a.Client - b.Client);

    public double Total => Source + Target + Client;

    static double OfBackends(PostgresServer server) => server.ProcessId is { } postmaster && ProcessIdentity.Find(postmaster) is { } process
        ? CpuSample.OfBackends(process) + ProcessUse.CpuSecondsOfChildren(postmaster)
        : 0;
}
