using Rosetta.Bench.Processes;
using Rosetta.Client;
using Rosetta.Testing.Processes;

namespace Rosetta.Bench.Stage;

/// <summary>A node in a process of its own, with default settings.</summary>
sealed class BenchNode : IAsyncDisposable
{
    static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(120);
    static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(60);

    readonly ChildProcess _process;

    BenchNode(ChildProcess process, Uri address)
    {
        _process = process;
        Api = new ApiClient(address);
    }

    public ApiClient Api { get; }

    public int ProcessId => _process.Id;

    public long ResidentBytes => ProcessUse.ResidentBytes(ProcessId);

    public long PeakResidentBytes => ProcessUse.PeakResidentBytes(ProcessId);

    /// <summary>The peak counts from here.</summary>
    public void ForgetPeak() => ProcessUse.ForgetPeak(ProcessId);

    /// <summary>Starts it and returns when it says that it is ready.</summary>
    /// <param name="settings">Added to the defaults.</param>
    public static async Task<BenchNode> StartAsync(string configConnection, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var api = FreePorts.Next();
        var address = new Uri($"http://127.0.0.1:{api}");
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Name = "bench-node",
            Program = "dotnet",
            Arguments = [Path.Combine(AppContext.BaseDirectory, "Rosetta.Node.dll")],
            OutputFile = Environment.GetEnvironmentVariable("ROSETTA_BENCH_NODE_LOG"),
            Environment = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>())
            {
                ["CONFIG_DATABASE_URL"] = configConnection,
                ["SECRET_KEY"] = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray()),
                ["ROSETTA__LISTEN__APIPORT"] = $"{api}",
                ["ROSETTA__LISTEN__HEALTHPORT"] = $"{FreePorts.Next()}",
                ["ROSETTA__CLUSTER__PORT"] = $"{FreePorts.Next()}",
                ["ROSETTA_API_KEYS"] = null,
                ["ROSETTA_FAILPOINTS"] = null,
                ["REDIS_URL"] = null
            }
        });
        var node = new BenchNode(process, address);
        try
        {
            await process.WaitForHttpAsync(new Uri(address, "/health/ready"), ReadyDeadline);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Pauses a pipeline and deletes it, its slot too.</summary>
    public async Task EndPipelineAsync(string name, CancellationToken cancellationToken)
    {
        var id = (await Api.GetAsync("pipelines", cancellationToken)).As<Client.Answers.Page<Client.Answers.Pipeline>>().Items.Single(p => p.Name == name).Id;
        await new BenchPipeline(Api, id).PauseAsync(cancellationToken);
        await Api.DeleteAsync($"pipelines/{id}", cancellationToken);
    }

    /// <summary>The last lines it printed.</summary>
    public string OutputTail(int lines) => _process.OutputTail(lines);

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        if (!_process.HasExited)
            await _process.StopAsync(StopDeadline);
        await _process.DisposeAsync();
    }
}
