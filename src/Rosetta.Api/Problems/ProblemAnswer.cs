using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Rosetta.Api.Problems;

/// <summary>A problem document (RFC 9457).</summary>
/// <param name="Type">Names the kind; the status' section in RFC 9110.</param>
/// <param name="Detail">What went wrong and what to do.</param>
/// <param name="Errors">For 422: messages by field of the body.</param>
public sealed record ProblemAnswer(
    string Type,
    string Title,
    int Status,
    string Detail,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string[]>? Errors = null);

/// <summary>Makes problem documents; every error of the API goes through here.</summary>
public static class Problem
{
    public const string ContentType = "application/problem+json";

    /// <summary>Seconds after which a 503 may be tried again.</summary>
    public const string RetryAfterSeconds = "5";

    public static IResult Of(int status, string detail, IReadOnlyDictionary<string, string[]>? errors = null) =>
        status == StatusCodes.Status503ServiceUnavailable ? new Unavailable(detail) : Results.Json(Document(status, detail, errors), contentType: ContentType, statusCode: status);

    public static IResult NotFound(string detail) => Of(StatusCodes.Status404NotFound, detail);

    public static IResult Conflict(string detail) => Of(StatusCodes.Status409Conflict, detail);

    /// <summary>422 for one field.</summary>
    public static IResult Invalid(string field, string message) => Of(
        StatusCodes.Status422UnprocessableEntity, $"{field}: {message}", new Dictionary<string, string[]> { [field] = [message] });

    public static IResult Away(string detail) => new Unavailable(detail);

    /// <summary>For middleware.</summary>
    public static Task WriteAsync(HttpContext context, int status, string detail, IReadOnlyDictionary<string, string[]>? errors = null) =>
        Of(status, detail, errors).ExecuteAsync(context);

    static ProblemAnswer Document(int status, string detail, IReadOnlyDictionary<string, string[]>? errors) => new(
        $"https://www.rfc-editor.org/rfc/rfc9110#name-{Section(status)}", ReasonPhrases.GetReasonPhrase(status), status, detail, errors);

    static string Section(int status) => status switch
    {
        413 => "413-content-too-large",
        422 => "422-unprocessable-content",
        _ => $"{status}-{ReasonPhrases.GetReasonPhrase(status).ToLowerInvariant().Replace(' ', '-')}",
    };

    sealed class Unavailable(string detail) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
            return Results.Json(Document(503, detail, null), contentType: ContentType, statusCode: 503).ExecuteAsync(httpContext);
        }
    }
}
