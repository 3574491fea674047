using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Rosetta.Api.Access;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Problems;
using Rosetta.Store;

namespace Rosetta.Api.Configuration;

/// <summary><c>/config</c>: all that is configured as one file.</summary>
static partial class ConfigEndpoints
{
    public static void MapConfig(this RouteGroupBuilder api)
    {
        var config = api.MapGroup("/config").WithTags("Configuration as code");

        config.MapGet("/", async (ConfigStore store, CancellationToken cancellationToken) => TypedResults.Text(
                ConfigExport.Write(await InstallationConfig.ReadAsync(store, cancellationToken)), ConfigSubmission.ContentType, Encoding.UTF8))
            .Describe("Export the configuration", "Sources, destinations, presets and pipelines as YAML, in order of names. Secrets are references (env:NAME).")
            .Gives<string>(contentType: ConfigSubmission.ContentType);

        config.MapPost("/diff", async (ConfigSubmission submission, ConfigStore store, TimeProvider time, CancellationToken cancellationToken) =>
                TypedResults.Ok(Answer(await new ConfigApplication(store, time).DiffAsync(submission, cancellationToken), submission, applied: false)))
            .Describe(
                "Compare a configuration file with what is configured",
                "Nothing is changed. A change that the API would refuse now (409) shows its reason. Objects are matched by name; what the file does not have "
                + "is left alone, unless prune is asked for.")
            .TakesYaml().Gives<ConfigChangesAnswer>().Refuses(503);

        config.MapPost("/apply", ApplyAsync)
            .Describe("Apply a configuration file", "All of it or, when a change is refused, nothing. Applied again it changes nothing.")
            .TakesYaml().Gives<ConfigChangesAnswer>().Refuses(409, 503);
    }

    static async Task<IResult> ApplyAsync(
        ConfigSubmission submission, HttpContext context, ConfigStore store, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var run = await new ConfigApplication(store, time).ApplyAsync(submission, cancellationToken);
        if (run.IsRefused) return Refusal(run, submission);
        if (!run.IsEmpty)
        {
            int Count(string kind) => run.Changes.Count(c => c.ActualKind == kind);
            LogApplied(
                loggers.CreateLogger("Rosetta.Api.Configuration"), AccessControl.CallerOf(context).Name, Count("create"), Count("update"), Count("delete"));
        }

        return TypedResults.Ok(Answer(run, submission, applied: true));
    }

    static ConfigChangesAnswer Answer(ConfigRun run, ConfigSubmission submission, bool applied) => new(
        [
            .. run.Changes.Select(c => new ConfigChangeAnswer(
                c.ActualKind, c.Object, c.Name, c.Fields, c.Refused, c.Path is null ? null : submission.Errors.LineOf(c.Path), c.Warnings)),
        ],
        applied);

    static IResult Refusal(ConfigRun run, ConfigSubmission submission)
    {
        var errors = new FieldErrors();
        foreach (var change in run.Changes.Where(c => c.Refused is not null))
        {
            var line = change.Path is null ? null : submission.Errors.LineOf(change.Path);
            errors.Add(change.Path ?? $"{change.Object} {change.Name}", $"{change.Object} '{change.Name}': {change.Refused}{(line is null ? "" : $" (line {line})")}");
        }

        var refused = errors.ToDictionary();
        return Problem.Of(
            StatusCodes.Status409Conflict,
            $"Nothing was applied: {refused.Count} {(refused.Count == 1 ? "change is" : "changes are")} refused. {refused.First().Value[0]}", refused);
    }

    [LoggerMessage(120, LogLevel.Information, "Configuration applied by [{Caller}]: [{Created}] created, [{Updated}] updated, [{Deleted}] deleted")]
    static partial void LogApplied(ILogger logger, string caller, int created, int updated, int deleted);
}
