using System.Text.Json.Nodes;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Configuration;

/// <summary>The pipelines of a <see cref="ConfigRun"/>, with their destinations and tables.</summary>
sealed class PipelineRun(ConfigRun run)
{
    const string SnapshotIsFixed = "How an attached destination began cannot be changed. Detach it and attach it again, or correct the file.";

    readonly List<Wanted> _wanted = [];

    /// <summary>Finds what the file's pipelines name.</summary>
    public void Check(ConfigParts parts)
    {
        var file = run.Submission.File;
        var sources = run.Now.Sources.Keys.Concat((file.Sources ?? []).Select(NameOf)).ToHashSet(StringComparer.Ordinal);
        var destinations = run.Now.Destinations.Keys.Concat((file.Destinations ?? []).Select(NameOf)).ToHashSet(StringComparer.Ordinal);
        parts.CheckDistinct("pipelines", (file.Pipelines ?? []).Select(p => p.Name));
        foreach (var (index, pipeline) in (file.Pipelines ?? []).Index())
        {
            var path = $"pipelines[{index}]";
            var existing = run.Now.Pipelines.GetValueOrDefault(pipeline.Name);
            if (pipeline.Source is null && existing is null) run.Errors.Add($"{path}.source", "is required for a new pipeline");
            if (pipeline.Source is { } source && !sources.Contains(source)) run.Errors.Add($"{path}.source", $"there is no source '{source}', here or in the file");
            parts.CheckDistinct($"{path}.destinations", (pipeline.Destinations ?? []).Select(d => d.Destination), "destination");
            foreach (var (at, attached) in (pipeline.Destinations ?? []).Index())
            {
                if (!destinations.Contains(attached.Destination))
                    run.Errors.Add($"{path}.destinations[{at}].destination", $"there is no destination '{attached.Destination}', here or in the file");
            }

            _wanted.Add(new Wanted(path, pipeline, existing));
        }
    }

    /// <summary>First of all, so that what the file pauses can be changed by the same file.</summary>
    public async Task PauseAsync()
    {
        foreach (var wanted in _wanted.Where(w => w.Existing?.Status == PipelineStatus.Start && w.Status == PipelineStatus.Pause))
        {
            var paused = await run.Store.Pipelines.SetStatusAsync(wanted.Existing!.Id, PipelineStatus.Pause, run.Cancellation);
            wanted.PauseRefused = paused.IsSaved ? null : paused.Detail;
        }
    }

    public async Task MakeAsync()
    {
        foreach (var wanted in _wanted)
        {
            var (body, existing) = (wanted.Body, wanted.Existing);
            var change = wanted.Change = run.Plan(existing is not null, "pipeline", body.Name, wanted.Path);
            change.Refused = wanted.PauseRefused;
            change.Compare(
                existing is null ? null : ConfigForms.Of(existing.Name, existing.Source.Name, existing.Status),
                ConfigForms.Of(body.Name, body.Source ?? existing!.Source.Name, wanted.Status));
            wanted.Now = await MakeAsync(body, existing, change);
            foreach (var (index, attached) in (body.Destinations ?? []).Index()) await MakeAsync(wanted, attached, $"{wanted.Path}.destinations[{index}]");
            if (run.Submission.Prune && body.Destinations is not null) await DetachAsync(wanted);
        }
    }

    /// <summary>When everything else is there: whose target a table is, then the starts.</summary>
    public async Task FinishAsync()
    {
        var targets = new Dictionary<long, TargetChecks?>();
        foreach (var choice in run.Choices.Where(c => c.TableSyncs.Count > 0))
        {
            if (!targets.TryGetValue(choice.DestinationId, out var checks))
                targets[choice.DestinationId] = checks = await TargetChecks.ReadAsync(run.Store, choice.DestinationId, run.Cancellation);
            try
            {
                checks?.Check(choice.PipelineId, choice.TableSyncs);
            }
            catch (RequestProblemException e)
            {
                if (e.Errors is not null) run.Errors.AddBelow(choice.Path, e.Errors);
                else choice.Change.Refused ??= e.Message;
            }
        }

        foreach (var wanted in _wanted.Where(w => w.Now is not null && w.Status == PipelineStatus.Start && w.Existing?.Status != PipelineStatus.Start))
            ConfigRun.Note(wanted.Change!, await run.Store.Pipelines.SetStatusAsync(wanted.Now!.Id, PipelineStatus.Start, run.Cancellation));
    }

    async Task<PipelineDefinition?> MakeAsync(ConfigPipeline body, PipelineDefinition? existing, PlannedChange change)
    {
        var source = body.Source is { } name ? run.Sources.GetValueOrDefault(name) : existing!.Source;
        if (source is null)
        {
            change.Refused ??= $"Its source '{body.Source}' is refused.";
            return existing;
        }

        if (existing is null) return ConfigRun.Note(change, await run.Store.Pipelines.AddAsync(body.Name, source.Id, run.Cancellation));
        if (source.Id != existing.Source.Id) ConfigRun.Note(change, await run.Store.Pipelines.ChangeAsync(existing.Id, null, source.Id, run.Cancellation));
        return existing;
    }

    async Task MakeAsync(Wanted wanted, ConfigPipelineDestination body, string path)
    {
        var existing = wanted.Existing?.Destinations.FirstOrDefault(d => d.Destination.Name == body.Destination);
        var tables = body.TableSyncs is { } bodies ? TableSyncChecks.ToStore(bodies) : existing?.TableSyncs ?? [];
        var snapshot = body.Snapshot switch { "none" => SnapshotChoice.None, "initial" => SnapshotChoice.Initial, _ => existing?.Snapshot ?? SnapshotChoice.Initial };
        var change = run.Plan(existing is not null, "pipeline_destination", Name(wanted.Body.Name, body.Destination), path);
        change.Compare(existing is null ? null : Form(existing.Snapshot, existing.TableSyncs), Form(snapshot, tables));
        if (change.ActualKind == "none") return;
        if (wanted.Now is not { } pipeline || !run.Destinations.TryGetValue(body.Destination, out var destination))
        {
            change.Refused = wanted.Now is null ? $"Its pipeline '{wanted.Body.Name}' is refused." : $"Its destination '{body.Destination}' is refused.";
            return;
        }

        if (existing is not null && existing.Snapshot != snapshot) change.Refused = SnapshotIsFixed;
        var saved = ConfigRun.Note(change, existing is null
            ? await run.Store.PipelineDestinations.AttachAsync(pipeline.Id, destination.Id, snapshot, tables, run.Cancellation)
            : await run.Store.PipelineDestinations.ReplaceTableSyncsAsync(pipeline.Id, destination.Id, tables, run.Cancellation));
        if (saved is not null) run.Choices.Add(new ChangedChoice(path, change, pipeline.Id, destination.Id, saved.Source, tables));
    }

    async Task DetachAsync(Wanted wanted)
    {
        var names = wanted.Body.Destinations!.Select(d => d.Destination).ToHashSet(StringComparer.Ordinal);
        foreach (var attached in wanted.Existing?.Destinations.Where(d => !names.Contains(d.Destination.Name)) ?? [])
        {
            ConfigRun.Note(
                run.PlanDeletion("pipeline_destination", Name(wanted.Body.Name, attached.Destination.Name)),
                await run.Store.PipelineDestinations.DetachAsync(wanted.Existing!.Id, attached.Destination.Id, run.Cancellation));
        }
    }

    static JsonObject Form(SnapshotChoice snapshot, IReadOnlyList<TableSync> tables) =>
        new() { ["snapshot"] = ConfigForms.Of(snapshot), ["table_syncs"] = ConfigForms.Of(tables) };

    static string Name(string pipeline, string destination) => $"{pipeline}/{destination}";

    static string NameOf(JsonObject entry) => entry["name"] is JsonValue v && v.TryGetValue<string>(out var name) ? name : "";

    /// <summary>A pipeline of the file.</summary>
    sealed class Wanted(string path, ConfigPipeline body, PipelineDefinition? existing)
    {
        public string Path { get; } = path;

        public ConfigPipeline Body { get; } = body;

        public PipelineDefinition? Existing { get; } = existing;

        public PipelineStatus Status { get; } = body.Status switch
        {
            "START" => PipelineStatus.Start,
            "PAUSE" => PipelineStatus.Pause,
            _ => existing?.Status ?? PipelineStatus.Pause,
        };

        public PlannedChange? Change { get; set; }

        /// <summary>Null: it could not be made.</summary>
        public PipelineDefinition? Now { get; set; }

        public string? PauseRefused { get; set; }
    }
}
