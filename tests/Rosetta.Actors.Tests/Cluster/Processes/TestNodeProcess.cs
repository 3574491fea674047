using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Testing.Processes;
using Xunit.Abstractions;

namespace Rosetta.Actors.Tests.Cluster.Processes;

/// <summary>What an entity said: <c>STARTED, DRAINING, DRAINED, STOPPED</c>.</summary>
/// <param name="At">When the line was read, on this process's clock.</param>
public sealed record EntityEvent(string Node, string What, int Entity, TimeSpan At);

/// <summary>A node of Rosetta.Actors.TestNode in a process of its own.</summary>
public sealed class TestNodeProcess : IAsyncDisposable
{
    static readonly Stopwatch Clock = Stopwatch.StartNew();
    static readonly string[] EntityWords = ["STARTED", "DRAINING", "DRAINED", "STOPPED"];

    volatile ClusterSnapshot? _view;

    public TestNodeProcess(
        string name, string connectionString, ITestOutputHelper output, ConcurrentQueue<EntityEvent> events,
        IReadOnlyDictionary<string, string?>? settings = null)
    {
        Name = name;
        var environment = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>())
        {
            ["CONFIG_DATABASE"] = connectionString,
        };
        environment.TryAdd("NODE_PORT", "0");
        Process = ChildProcess.Start(new ChildProcessOptions
        {
            Name = name,
            Program = "dotnet",
            Arguments = [Path.Combine(AppContext.BaseDirectory, "Rosetta.Actors.TestNode.dll")],
            Environment = environment,
            OnLine = line =>
            {
                var words = line.Split(' ', 2);
                if (words.Length == 2 && EntityWords.Contains(words[0]))
                    events.Enqueue(new EntityEvent(name, words[0], int.Parse(words[1].TrimEnd('.'), CultureInfo.InvariantCulture), Now));
                else if (line.StartsWith("VIEW {", StringComparison.Ordinal))
                    _view = JsonSerializer.Deserialize<ClusterSnapshot>(line[5..]);
                try
                {
                    output.WriteLine($"{Now.TotalSeconds:F1} {name}: {line}");
                }
                catch (InvalidOperationException)
                {
                    // The test has ended; its process is about to.
                }
            },
        });
    }

    public static TimeSpan Now => Clock.Elapsed;

    public string Name { get; }

    public ChildProcess Process { get; }

    /// <summary>The cluster as this node printed it last.</summary>
    public ClusterSnapshot? View => _view;

    /// <summary>Waits until it is a member; its <c>host:port</c>.</summary>
    public async Task<string> WaitForMemberAsync()
    {
        var line = await Process.WaitForLineAsync("MEMBER akka.tcp://", TimeSpan.FromSeconds(90));
        return line[(line.LastIndexOf('@') + 1)..];
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
