using FluentValidation;
using Rosetta.Api.Bodies;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Store;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.Presets;

sealed class CreatePresetValidator : AbstractValidator<CreatePreset>
{
    public CreatePresetValidator()
    {
        RuleFor(p => p.Name).IsName();
        RuleFor(p => p.TableSyncs).IsChoiceOfTables();
        RuleFor(p => p.From).Must((preset, from) => from is null != preset.TableSyncs is null)
            .WithMessage("give either table_syncs or from, a destination of a pipeline");
    }
}

sealed class ChangePresetValidator : AbstractValidator<ChangePreset>
{
    public ChangePresetValidator()
    {
        RuleFor(p => p.Name).IsName();
        RuleFor(p => p.TableSyncs).IsChoiceOfTables();
    }
}

/// <summary>Where a body's choice of tables comes from: the body itself, or a preset, which is copied.</summary>
static class TableChoices
{
    public const string Twice = "cannot be given together with table_syncs";

    /// <summary>As they are stored.</summary>
    /// <exception cref="RequestProblemException">422: there is no such preset.</exception>
    public static async Task<IReadOnlyList<TableSync>> ReadAsync(
        ConfigStore store, IReadOnlyList<TableSyncBody>? bodies, long? presetId, CancellationToken cancellationToken)
    {
        if (presetId is not { } id) return TableSyncChecks.ToStore(bodies);
        if (await store.Presets.FindAsync(id, cancellationToken) is { } preset) return preset.TableSyncs;
        throw Unknown("preset_id", $"there is no preset {id}");
    }

    /// <summary>The choice of a pipeline's destination.</summary>
    /// <exception cref="RequestProblemException">422: there is no such destination.</exception>
    public static async Task<IReadOnlyList<TableSync>> ReadAsync(ConfigStore store, PresetOrigin from, CancellationToken cancellationToken)
    {
        if (await store.Pipelines.FindAsync(from.PipelineId, cancellationToken) is not { } pipeline)
            throw Unknown("from.pipeline_id", $"there is no pipeline {from.PipelineId}");
        return pipeline.Destinations.FirstOrDefault(d => d.Destination.Id == from.DestinationId)?.TableSyncs
            ?? throw Unknown("from.destination_id", $"pipeline {pipeline.Id} has no destination {from.DestinationId}");
    }

    static RequestProblemException Unknown(string field, string message)
    {
        var errors = new FieldErrors();
        errors.Add(field, message);
        return errors.ToProblem("body");
    }
}
