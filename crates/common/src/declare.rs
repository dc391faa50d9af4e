//! One declaration of a model, from which everything that is known of its members follows.

/// Declares a model: the record as it is read, and [`Model`](crate::Model).
///
/// Each member stands on one line: its name, its type, an example, and how lists are filtered by it
/// if they are (`index` for an id, `unique` for a text that no two records share). Its name in JSON
/// follows `as` where it is not the field's. `owner` marks the member that holds the id of the user
/// who owns the record. On the line of `id` it says that a record is its own owner.
macro_rules! model {
    (
        $(#[$about:meta])*
        $model:ident in $collection:literal, one $singular:literal {
            $(#[$about_id:meta])*
            id: $id:ty $(, $mark_of_id:ident)?;
            $(
                $(#[$about_member:meta])*
                $member:ident $(as $name:tt)?: $type:ty, example $example:expr $(, $mark:ident)*;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        pub struct $model {
            $(#[$about_id])*
            #[schema(inline, required, nullable = false)]
            pub id: $id,
            $(
                $(#[$about_member])*
                #[schema(inline)]
                $(#[serde(rename = $name)])?
                pub $member: $type,
            )*
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "createdAt")]
            #[schema(inline, nullable = false)]
            pub created_at: Option<crate::Timestamp>,
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "updatedAt")]
            #[schema(inline, nullable = false)]
            pub updated_at: Option<crate::Timestamp>,
        }

        impl crate::Model for $model {
            const COLLECTION: &'static str = $collection;
            const SINGULAR: &'static str = $singular;
            const MEMBERS: &'static [crate::Member<Self>] = &[$(
                crate::Member {
                    name: model!(@name $member $($name)?),
                    check: <$type as crate::MemberValue>::check,
                    index: model!(@index $member $($mark)*),
                    example: || serde_json::json!($example),
                },
            )*];
            const OWNER: crate::Owner = crate::Owner::marked(&[
                $(model!(@owner_of_itself $mark_of_id),)?
                $(model!(@owner ($member $($name)?) $($mark)*),)*
            ]);

            fn id(&self) -> Option<crate::Id<Self>> {
                self.id.into()
            }
        }
    };
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $name:tt) => { $name };
    (@index $member:ident) => { None };
    (@index $member:ident owner $($others:ident)*) => { model!(@index $member $($others)*) };
    (@index $member:ident index $(owner)?) => {
        Some(crate::Index::Id(|record| record.$member.get()))
    };
    (@index $member:ident unique) => { Some(crate::Index::Unique(|record| &record.$member)) };
    (@owner_of_itself owner) => { Some(crate::Owner::Itself) };
    (@owner $names:tt) => { None };
    (@owner ($($names:tt)+) owner $($others:ident)*) => {
        Some(crate::Owner::Member(model!(@name $($names)+)))
    };
    (@owner $names:tt $other:ident $($others:ident)*) => { model!(@owner $names $($others)*) };
}

pub(crate) use model;
