using Rosetta.Api.Bodies;
using Rosetta.Api.Destinations;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Configuration;

/// <summary>
/// Makes an installation what a file says, through the repositories of the endpoints and so by their rules, in the transaction that its caller keeps or
/// takes back: a diff is an application that is taken back. What is refused is noted, and the rest goes on, so that all of it is told at once.
/// Order: pauses, then sources, destinations and presets, pipelines and their tables, deletions, starts.
/// </summary>
sealed class ConfigRun
{
    readonly List<PlannedChange> _changes = [];
    readonly List<PlannedChange> _deletions = [];

    ConfigRun(ConfigStore store, ConfigSubmission submission, InstallationConfig now, CancellationToken cancellationToken) =>
        (Store, Submission, Now, Cancellation) = (store, submission, now, cancellationToken);

    public ConfigStore Store { get; }

    public ConfigSubmission Submission { get; }

    /// <summary>What was configured before.</summary>
    public InstallationConfig Now { get; }

    public CancellationToken Cancellation { get; }

    public FieldErrors Errors { get; } = new();

    /// <summary>Those that are there now, by name.</summary>
    public Dictionary<string, SourceDefinition> Sources { get; } = new(StringComparer.Ordinal);

    /// <summary>Those that are there now, by name.</summary>
    public Dictionary<string, DestinationDefinition> Destinations { get; } = new(StringComparer.Ordinal);

    /// <summary>Changed choices of tables; only the sources' catalogs can tell whether they are right.</summary>
    public List<ChangedChoice> Choices { get; } = [];

    /// <summary>Pipelines that were deleted, with what their slots are at the sources.</summary>
    public List<DeletedPipeline> Deleted { get; } = [];

    /// <summary>In order of the file, then what it does not have.</summary>
    public IEnumerable<PlannedChange> Changes => _changes.Concat(_deletions);

    public bool IsRefused => Changes.Any(c => c.Refused is not null);

    public bool IsEmpty => Changes.All(c => c.ActualKind == "none");

    /// <param name="store">Of a transaction.</param>
    /// <exception cref="Problems.RequestProblemException">422: the file does not fit to what is configured.</exception>
    public static async Task<ConfigRun> RunAsync(ConfigStore store, ConfigSubmission submission, CancellationToken cancellationToken)
    {
        var now = await InstallationConfig.ReadAsync(store, cancellationToken);
        var run = new ConfigRun(store, submission, now, cancellationToken);
        var parts = new ConfigParts(submission, now, run.Errors);
        var (sources, destinations, pipelines) = (parts.Sources(), parts.Destinations(), new PipelineRun(run));
        parts.CheckDistinct("presets", (submission.File.Presets ?? []).Select(p => p.Name));
        pipelines.Check(parts);
        submission.Errors.ThrowIfAny(run.Errors);

        await pipelines.PauseAsync();
        await run.MakeSourcesAsync(sources);
        await run.MakeDestinationsAsync(destinations);
        await run.MakePresetsAsync();
        await pipelines.MakeAsync();
        await run.PruneAsync();
        await pipelines.FinishAsync();
        submission.Errors.ThrowIfAny(run.Errors);
        return run;
    }

    public PlannedChange Plan(bool exists, string @object, string name, string path)
    {
        var change = new PlannedChange(exists ? "update" : "create", @object, name, path);
        _changes.Add(change);
        return change;
    }

    public PlannedChange PlanDeletion(string @object, string name)
    {
        var change = new PlannedChange("delete", @object, name, null);
        _deletions.Add(change);
        return change;
    }

    /// <summary>What was written; null, and the change is refused, when it was not.</summary>
    public static T? Note<T>(PlannedChange change, StoreResult<T> result)
        where T : class
    {
        if (!result.IsSaved) change.Refused ??= result.Detail;
        return result.Value;
    }

    async Task MakeSourcesAsync(IReadOnlyList<WantedSource> wanted)
    {
        foreach (var (name, source) in Now.Sources) Sources[name] = source;
        foreach (var source in wanted)
        {
            var change = Plan(source.Existing is not null, "source", source.Name, source.Path);
            change.Compare(source.Existing is null ? null : ConfigForms.Of(source.Existing), ConfigForms.Of(source.Next));
            change.CompareSecret("pg_password", source.Existing?.Password.Value, source.Next.Password.Value);
            if (change.ActualKind == "none") continue;
            var saved = Note(change, source.New is { } add
                ? await Store.Sources.AddAsync(add, Cancellation)
                : await Store.Sources.ChangeAsync(source.Existing!.Id, source.Change!, Cancellation));
            if (saved is not null) Sources[source.Name] = saved;
        }
    }

    async Task MakeDestinationsAsync(IReadOnlyList<WantedDestination> wanted)
    {
        foreach (var (name, destination) in Now.Destinations) Destinations[name] = destination;
        foreach (var destination in wanted)
        {
            var change = Plan(destination.Existing is not null, "destination", destination.Name, destination.Path);
            change.Compare(destination.Existing is null ? null : ConfigForms.Of(destination.Existing), ConfigForms.Of(destination.Next));
            foreach (var secret in Rosetta.Store.Secrets.SecretPlaces.DestinationFields.Order(StringComparer.Ordinal))
                change.CompareSecret($"config.{secret}", destination.Existing?.Config.Text(secret), destination.Next.Config.Text(secret));
            if (change.ActualKind == "none") continue;
            if (destination.Existing is { } existing && existing.Type != destination.Next.Type) change.Refused = DestinationEndpoints.TypeIsFixed;
            var saved = Note(change, destination.New is { } add
                ? await Store.Destinations.AddAsync(add, Cancellation)
                : await Store.Destinations.ChangeAsync(destination.Existing!.Id, destination.Change!, Cancellation));
            if (saved is not null) Destinations[destination.Name] = saved;
        }
    }

    async Task MakePresetsAsync()
    {
        foreach (var (index, preset) in (Submission.File.Presets ?? []).Index())
        {
            var existing = Now.Presets.GetValueOrDefault(preset.Name);
            var tables = preset.TableSyncs is { } bodies ? Pipelines.TableSyncChecks.ToStore(bodies) : existing?.TableSyncs ?? [];
            var change = Plan(existing is not null, "preset", preset.Name, $"presets[{index}]");
            change.Compare(
                existing is null ? null : new() { ["table_syncs"] = ConfigForms.Of(existing.TableSyncs) }, new() { ["table_syncs"] = ConfigForms.Of(tables) });
            if (existing is null) Note(change, await Store.Presets.AddAsync(preset.Name, tables, Cancellation));
            else if (change.ActualKind != "none") Note(change, await Store.Presets.ChangeAsync(existing.Id, null, tables, Cancellation));
        }
    }

    /// <summary>Deletes what is absent in the sections that the file has. What uses goes before what is used.</summary>
    async Task PruneAsync()
    {
        if (!Submission.Prune) return;
        var file = Submission.File;
        if (file.Pipelines is { } pipelines)
        {
            foreach (var pipeline in Absent(Now.Pipelines, pipelines.Select(p => p.Name)))
            {
                var slot = await Store.SlotRecords.FindAsync(pipeline.Id, Cancellation);
                var change = PlanDeletion("pipeline", pipeline.Name);
                if (Note(change, await Store.Pipelines.DeleteAsync(pipeline.Id, Cancellation)) is not null)
                    Deleted.Add(new DeletedPipeline(pipeline, slot, change));
            }
        }

        if (file.Destinations is { } destinations)
        {
            foreach (var destination in Absent(Now.Destinations, destinations.Select(d => (string)d["name"]!)))
                Note(PlanDeletion("destination", destination.Name), await Store.Destinations.DeleteAsync(destination.Id, Cancellation));
        }

        if (file.Sources is { } sources)
        {
            foreach (var source in Absent(Now.Sources, sources.Select(s => (string)s["name"]!)))
                Note(PlanDeletion("source", source.Name), await Store.Sources.DeleteAsync(source.Id, Cancellation));
        }

        if (file.Presets is { } presets)
        {
            foreach (var preset in Absent(Now.Presets, presets.Select(p => p.Name)))
                Note(PlanDeletion("preset", preset.Name), await Store.Presets.DeleteAsync(preset.Id, Cancellation));
        }
    }

    static IEnumerable<T> Absent<T>(IReadOnlyDictionary<string, T> now, IEnumerable<string> wanted)
    {
        var names = wanted.ToHashSet(StringComparer.Ordinal);
        return now.Where(n => !names.Contains(n.Key)).Select(n => n.Value);
    }
}

/// <summary>A choice of tables that is new or changed.</summary>
/// <param name="Path">Of the destination in the file.</param>
sealed record ChangedChoice(
    string Path, PlannedChange Change, long PipelineId, long DestinationId, SourceDefinition Source, IReadOnlyList<TableSync> TableSyncs);

/// <summary>A pipeline that was deleted.</summary>
/// <param name="Slot">Null: it never had one.</param>
sealed record DeletedPipeline(PipelineDefinition Pipeline, Rosetta.Store.Runtime.SlotRecord? Slot, PlannedChange Change);
