using FluentValidation;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Sources;

namespace Rosetta.Api.Configuration;

/// <summary>What the file alone tells. The rules of its parts are those of the endpoints.</summary>
sealed class ConfigFileValidator : AbstractValidator<ConfigFile>
{
    public ConfigFileValidator()
    {
        RuleFor(f => f.Version).Equal(1).WithMessage("must be 1, the only version of the file that this node knows");
        RuleForEach(f => f.Presets).SetValidator(new ConfigPresetValidator());
        RuleForEach(f => f.Pipelines).SetValidator(new ConfigPipelineValidator());
    }
}

sealed class ConfigPresetValidator : AbstractValidator<ConfigPreset>
{
    public ConfigPresetValidator()
    {
        RuleFor(p => p.Name).IsName();
        RuleFor(p => p.TableSyncs).IsChoiceOfTables();
    }
}

sealed class ConfigPipelineValidator : AbstractValidator<ConfigPipeline>
{
    public ConfigPipelineValidator()
    {
        RuleFor(p => p.Name).IsName();
        RuleFor(p => p.Status).Must(s => s is null or "START" or "PAUSE").WithMessage("must be START or PAUSE");
        RuleForEach(p => p.Destinations).SetValidator(new ConfigPipelineDestinationValidator());
    }
}

sealed class ConfigPipelineDestinationValidator : AbstractValidator<ConfigPipelineDestination>
{
    public ConfigPipelineDestinationValidator()
    {
        RuleFor(d => d.Snapshot).IsSnapshotChoice();
        RuleFor(d => d.TableSyncs).IsChoiceOfTables();
    }
}
