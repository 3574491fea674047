using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Configuration;

/// <summary>Body of <c>POST /config/diff</c> and <c>/config/apply</c> as JSON; as YAML it is the file alone.</summary>
/// <param name="Yaml">The configuration file.</param>
/// <param name="Secrets">What the references of the file mean: <c>{"env:NAME": "value"}</c>.</param>
/// <param name="Prune">True: what the file does not have is deleted; as <c>prune: true</c> in the file.</param>
public sealed record ConfigSubmissionBody(string Yaml, JsonObject? Secrets = null, bool Prune = false);

/// <summary>A configuration file as it was sent, read and checked as far as it alone can be.</summary>
/// <param name="Errors">Makes messages of fields, with their lines.</param>
sealed record ConfigSubmission(ConfigFile File, ConfigErrors Errors, IReadOnlyDictionary<string, string> Secrets, bool Prune)
{
    public const string ContentType = "application/yaml";

    /// <summary>4 MB: the configuration of a large installation.</summary>
    const int Limit = 4 * 1024 * 1024;

    /// <summary>Called by ASP.NET for a parameter of this type.</summary>
    public static async ValueTask<ConfigSubmission> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var bytes = await BodyReader.ReadBytesAsync(context.Request, Limit).ConfigureAwait(false);
        var type = BodyReader.TypeOf(context.Request);
        if (BodyReader.IsJson(type))
        {
            using var document = BodyReader.ParseJson(bytes.Length == 0 ? "{}"u8.ToArray() : bytes);
            return FromJson(document.RootElement, context.Request);
        }

        if (type?.MediaType.Value?.ToLowerInvariant() is not (ContentType or "application/x-yaml" or "text/yaml" or "text/x-yaml"))
        {
            throw new RequestProblemException(
                StatusCodes.Status415UnsupportedMediaType,
                "The body must be sent as UTF-8, the file itself with Content-Type: application/yaml, or {\"yaml\", \"secrets\", \"prune\"} with application/json.");
        }

        if (!Utf8.IsValid(bytes.Span)) throw new RequestProblemException(StatusCodes.Status400BadRequest, "The text is not valid YAML: it is not UTF-8.");
        return Read(Encoding.UTF8.GetString(bytes.Span), new Dictionary<string, string>(), IsPruneAsked(context.Request));
    }

    static ConfigSubmission FromJson(JsonElement json, HttpRequest request)
    {
        var errors = new FieldErrors();
        var body = BodyBinder.Bind<ConfigSubmissionBody>(json, errors);
        var secrets = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (reference, value) in body?.Secrets ?? [])
        {
            if (value is JsonValue v && v.TryGetValue<string>(out var text)) secrets[reference] = text;
            else errors.Add($"secrets.{reference}", "must be a string");
        }

        errors.ThrowIfAny("body");
        return Read(body!.Yaml, secrets, body.Prune || IsPruneAsked(request));
    }

    /// <exception cref="RequestProblemException">400 or 422, with path and line.</exception>
    static ConfigSubmission Read(string text, IReadOnlyDictionary<string, string> secrets, bool prune)
    {
        var yaml = YamlDocument.Parse(text.TrimStart('\ufeff'));
        var found = new FieldErrors();
        var file = BodyBinder.Bind<ConfigFile>(JsonSerializer.SerializeToElement(yaml.Root ?? new JsonObject()), found);
        if (file is not null) found.Add(new ConfigFileValidator().Validate(file));
        var errors = new ConfigErrors(yaml);
        errors.ThrowIfAny(found);
        return new ConfigSubmission(file!, errors, secrets, prune || file!.Prune);
    }

    static bool IsPruneAsked(HttpRequest request)
    {
        if (!request.Query.TryGetValue("prune", out var value)) return false;
        if (bool.TryParse(value, out var prune)) return prune;
        var errors = new FieldErrors();
        errors.Add("prune", "must be true or false");
        throw errors.ToProblem("query");
    }
}
